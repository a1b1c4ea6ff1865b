/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/admission.h"

#include "shmframe/error.h"

static void
test_base (void)
{
  const ShmFramePoolRule history = { .in_flight = 2, .history = 9, .window = 4 };
  const ShmFramePoolRule window = { .in_flight = 2, .history = 1, .window = 4 };
  const ShmFramePoolRule nothing = { .in_flight = 0 };
  const ShmFramePoolRule absurd = { .in_flight = G_MAXUINT, .history = G_MAXUINT };

  g_assert_cmpuint (shmframe_admission_base (&history), ==, 2 + 9 + 1);
  g_assert_cmpuint (shmframe_admission_base (&window), ==, 2 + 4 + 1);
  g_assert_cmpuint (shmframe_admission_base (&nothing), ==, 1);
  g_assert_cmpuint (shmframe_admission_base (&absurd), ==, G_MAXUINT);
}

static void
test_plan (void)
{
  const ShmFramePoolRule rule = { .in_flight = 36, .history = 1, .window = 4 };

  g_assert_cmpuint (shmframe_admission_plan (&rule, 0, 4), ==, 41);
  g_assert_cmpuint (shmframe_admission_plan (&rule, 8, 4), ==, 41 + 8 * 5);
  g_assert_cmpuint (shmframe_admission_plan (&rule, G_MAXUINT, G_MAXUINT), ==, G_MAXUINT);
  g_assert_cmpuint (shmframe_admission_plan (&rule, G_MAXUINT / 5, 4), ==, G_MAXUINT);
}

/* A pool that was planned for 36 gives them; a small one keeps half for its consumers. */
static void
test_in_flight (void)
{
  ShmFramePoolRule rule = { .slots = 81, .history = 1, .window = 4 };

  g_assert_cmpuint (shmframe_admission_in_flight (&rule), ==, 36);
  rule.slots = 16;
  g_assert_cmpuint (shmframe_admission_in_flight (&rule), ==, 5);
  rule.slots = 5;
  g_assert_cmpuint (shmframe_admission_in_flight (&rule), ==, 1);
  rule.slots = 0;
  g_assert_cmpuint (shmframe_admission_in_flight (&rule), ==, 1);
}

static void
test_fits (void)
{
  const ShmFramePoolRule rule = { .slots = 16, .in_flight = 3, .history = 1, .window = 4 };
  g_autoptr (GError) error = NULL;

  g_assert_true (shmframe_admission_check (&rule, "cam0", 0, 8, &error));
  g_assert_no_error (error);
  g_assert_true (shmframe_admission_check (&rule, "cam0", 8, 0, &error));
  g_assert_no_error (error);
  g_assert_false (shmframe_admission_check (&rule, "cam0", 8, 1, NULL));
  g_assert_false (shmframe_admission_check (&rule, "cam0", G_MAXUINT, G_MAXUINT, NULL));
}

static void
test_refusal (void)
{
  const ShmFramePoolRule rule = { .slots = 16, .in_flight = 3, .history = 1, .window = 4 };
  g_autoptr (GError) small = NULL, large = NULL;

  g_assert_false (shmframe_admission_check (&rule, "cam0", 6, 4, &small));
  g_assert_error (small, SHMFRAME_ERROR, SHMFRAME_ERROR_REFUSED);
  g_assert_cmpstr (small->message, ==,
                   "pool cam0: 16 slots, 14 promised; asked for 4: start the producer with "
                   "slots=18, or lease fewer");

  g_assert_false (shmframe_admission_check (&rule, "cam0", 6, 20000, &large));
  g_assert_error (large, SHMFRAME_ERROR, SHMFRAME_ERROR_REFUSED);
  g_assert_null (strstr (large->message, "slots="));
  g_assert_nonnull (strstr (large->message, "lease fewer"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/admission/base", test_base);
  g_test_add_func ("/admission/plan", test_plan);
  g_test_add_func ("/admission/in-flight", test_in_flight);
  g_test_add_func ("/admission/fits", test_fits);
  g_test_add_func ("/admission/refusal-says-what-to-change", test_refusal);
  return g_test_run ();
}
