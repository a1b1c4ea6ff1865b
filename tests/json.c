/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <math.h>
#include <stdio.h>

#include "../tools/json.h"

/* What JSON-GLib leaves raw, or writes as no JSON. */
static void
test_hostile (void)
{
  JsonBuilder *builder = json_builder_new ();
  g_autofree char *line = NULL;

  json_builder_begin_object (builder);
  json_add_string (
      builder, "\037k\302\233",
      "a\037\177\302\233\342\200\256\342\200\250\363\240\200\201\303\251\346\227\245\\\"");
  json_add_string (builder, "n", NULL);
  json_builder_set_member_name (builder, "d");
  json_builder_begin_array (builder);
  json_builder_add_double_value (builder, NAN);
  json_builder_add_double_value (builder, -INFINITY);
  json_builder_add_double_value (builder, 0.5);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  line = json_line (builder);
  g_assert_cmpstr (line, ==,
                   "{\"\\u001fk\\u009b\":\"a\\u001f\\u007f\\u009b\\u202e\\u2028\\udb40\\udc01"
                   "\303\251\346\227\245\\\\\\\"\",\"n\":null,\"d\":[null,null,0.5]}");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/hostile", test_hostile);
  return g_test_run ();
}
