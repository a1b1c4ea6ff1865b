/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The producer of producer-child.h for tests that are no C programs:
 * child-producer --producer-child POOL HISTORY */
#include <stdio.h>

#include "producer-child.h"

int
main (int argc, char **argv)
{
  child_main (argc, argv);
  return 2;
}
