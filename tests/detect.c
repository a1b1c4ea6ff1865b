/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The detectors on frames that are made up: each fault alone, and nothing else. */
#include "../tools/detect.h"

#define MS G_GINT64_CONSTANT (1000000)
#define FRAME_NS (40 * MS)
#define START_NS (1000 * 1000 * MS)

typedef struct
{
  Detector *detector;
  guint counts[N_FAULTS];
  guint64 sequence; /* of the newest fault */
  char *text;
  FrameSample next;
} Scene;

static void
note_fault (const Fault *fault, gpointer data)
{
  Scene *scene = data;

  g_test_message ("%s %" G_GUINT64_FORMAT ": %s", fault_kind_name (fault->kind), fault->sequence,
                  fault->text);
  scene->counts[fault->kind]++;
  scene->sequence = fault->sequence;
  g_free (scene->text);
  scene->text = g_strdup (fault->text);
}

static void
scene_begin (Scene *scene)
{
  const DetectLimits limits = { .freeze_ns = DETECT_FREEZE_NS };

  *scene = (Scene){ .detector = detector_new (&limits, note_fault, scene) };
  detector_set_duration (scene->detector, FRAME_NS);
  scene->next = (FrameSample){ .sequence = 1,
                               .pts_ns = START_NS,
                               .duration_ns = FRAME_NS,
                               .capture_ns = SHMFRAME_TIME_UNKNOWN,
                               .publish_ns = START_NS + 5 * MS,
                               .same = -1 };
}

static void
scene_skip (Scene *scene)
{
  scene->next.sequence++;
  scene->next.pts_ns += FRAME_NS;
  scene->next.publish_ns += FRAME_NS;
}

static void
scene_show (Scene *scene)
{
  if (scene->next.missed == 0) /* or it did not look meanwhile */
    detector_tick (scene->detector, scene->next.publish_ns - MS);
  detector_frame (scene->detector, &scene->next);
  scene_skip (scene);
  scene->next.missed = 0;
  scene->next.flags = 0;
  scene->next.same = 0;
}

static void
scene_play (Scene *scene, guint n)
{
  for (guint i = 0; i < n; i++)
    scene_show (scene);
}

/* Shows one frame that comes that much later. */
static void
scene_show_late (Scene *scene, gint64 late_ns)
{
  scene->next.publish_ns += late_ns;
  scene_show (scene);
  scene->next.publish_ns -= late_ns;
}

/* So often was that fault found, and no other. */
static void
scene_end (Scene *scene, FaultKind kind, guint n)
{
  for (FaultKind i = 0; i < N_FAULTS; i++)
    g_assert_cmpuint (scene->counts[i], ==, i == kind ? n : 0);
  detector_free (scene->detector);
  g_free (scene->text);
}

static void
scene_end_clean (Scene *scene)
{
  scene_end (scene, N_FAULTS, 0);
}

static void
test_clean (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 200; i++)
    scene_show_late (&scene, (i * 7 % 13) * MS); /* some jitter */
  scene_end_clean (&scene);
}

/* Without a rate, and pts from which none can be learned: nothing to judge by. */
static void
test_irregular (void)
{
  Scene scene;

  scene_begin (&scene);
  detector_set_duration (scene.detector, 0);
  for (guint i = 0; i < 100; i++)
    {
      scene.next.duration_ns = SHMFRAME_TIME_UNKNOWN;
      scene_show (&scene);
      scene.next.pts_ns += (i % 4) * FRAME_NS;
      scene.next.publish_ns += (i % 4) * FRAME_NS;
    }
  for (guint i = 0; i < 100; i++)
    {
      gint64 more_ns = i % 30 == 29 ? FRAME_NS : i % 5 == 4 ? -FRAME_NS / 2 : 0;

      scene_show (&scene);
      scene.next.pts_ns += more_ns;
      scene.next.publish_ns += more_ns;
    }
  scene_end_clean (&scene);
}

static void
test_freeze_picture (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 10);
  for (guint i = 0; i < 100; i++)
    {
      scene.next.same = 1;
      scene_show (&scene);
      if (i == 23)
        g_assert_cmpuint (scene.counts[FAULT_FREEZE], ==, 0); /* 0.96 s */
    }
  g_assert_cmpuint (scene.sequence, ==, 10); /* the first with that picture */
  g_assert_true (g_str_has_prefix (scene.text, "what feeds the producer stands still: "));
  scene_play (&scene, 10);
  scene_end (&scene, FAULT_FREEZE, 1);
}

static void
test_freeze_silence (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 20);
  for (guint i = 0; i < 100; i++)
    {
      detector_tick (scene.detector, scene.next.publish_ns);
      scene.next.publish_ns += FRAME_NS;
    }
  g_assert_cmpuint (scene.counts[FAULT_FREEZE], ==, 1);
  g_assert_cmpuint (scene.sequence, ==, 20);
  /* Time went by upstream too, and the first frame is behind: all one freeze. */
  scene.next.pts_ns += 98 * FRAME_NS;
  scene_play (&scene, 50);
  g_assert_cmpuint (scene.counts[FAULT_FREEZE], ==, 1);
  for (guint i = 0; i < 50; i++)
    {
      detector_tick (scene.detector, scene.next.publish_ns);
      scene.next.publish_ns += FRAME_NS;
    }
  scene_end (&scene, FAULT_FREEZE, 2);
}

/* No frame ever. */
static void
test_freeze_from_start (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 100; i++)
    detector_tick (scene.detector, START_NS + i * FRAME_NS);
  g_assert_cmpuint (scene.sequence, ==, 0);
  scene_end (&scene, FAULT_FREEZE, 1);
}

/* A frame in 2 s is no freeze where it is all that there should be. */
static void
test_slow (void)
{
  Scene scene;

  scene_begin (&scene);
  detector_set_duration (scene.detector, 2000 * MS);
  for (guint i = 0; i < 20; i++)
    {
      scene_show (&scene);
      scene.next.pts_ns += 2000 * MS - FRAME_NS;
      scene.next.publish_ns += 2000 * MS - FRAME_NS;
    }
  scene_end_clean (&scene);
}

/* Time goes by without a frame that could be looked at. */
static void
scene_wait (Scene *scene, guint frames)
{
  for (guint i = 0; i < frames; i++)
    {
      detector_tick (scene->detector, scene->next.publish_ns);
      scene->next.publish_ns += FRAME_NS;
    }
}

/* A picture a second: once more is a duplicate, three times more a freeze. */
static void
test_slow_repeats (void)
{
  Scene scene;

  scene_begin (&scene);
  detector_set_duration (scene.detector, 1000 * MS);
  for (guint i = 0; i < 20; i++)
    {
      scene.next.same = i == 10 || i > 16;
      scene_show (&scene);
      scene.next.pts_ns += 1000 * MS - FRAME_NS;
      scene.next.publish_ns += 1000 * MS - FRAME_NS;
      g_assert_cmpuint (scene.counts[FAULT_DUPLICATE], ==, i > 10);
      g_assert_cmpuint (scene.counts[FAULT_FREEZE], ==, i > 18);
    }
  scene.counts[FAULT_DUPLICATE] = 0;
  scene_end (&scene, FAULT_FREEZE, 1);
}

/* Pictures that come when something changes: only a long silence says something. */
static void
test_rateless (void)
{
  Scene scene;

  scene_begin (&scene);
  detector_set_duration (scene.detector, 0);
  for (guint i = 0; i < 20; i++)
    {
      scene.next.pts_ns = scene.next.duration_ns = SHMFRAME_TIME_UNKNOWN;
      scene.next.same = i == 10;
      scene_show (&scene);
      scene_wait (&scene, 25 + i * 10 % 170);
    }
  g_assert_cmpuint (scene.counts[FAULT_FREEZE], ==, 0);
  scene_wait (&scene, 250);
  g_assert_cmpuint (scene.counts[FAULT_FREEZE], ==, 1);
  scene.counts[FAULT_FREEZE] = 0;
  scene_end (&scene, FAULT_DUPLICATE, 1);
}

/* Who cannot look at what comes says nothing of its producer. */
static void
test_unlooked (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 20);
  for (guint i = 0; i < 100; i++)
    {
      detector_unseen (scene.detector, scene.next.publish_ns);
      scene_wait (&scene, 1);
    }
  g_assert_cmpuint (scene.counts[FAULT_FREEZE], ==, 0);
  scene_wait (&scene, 50);
  scene_end (&scene, FAULT_FREEZE, 1);
}

/* After the end of a stream, silence is right; the next stream is another. */
static void
test_ended (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 20);
  detector_set_ended (scene.detector, TRUE, 21);
  scene_show (&scene); /* seen after it was told */
  scene_wait (&scene, 100);
  detector_reset (scene.detector); /* another format, say */
  scene_wait (&scene, 100);
  g_assert_cmpuint (scene.counts[FAULT_FREEZE], ==, 0);

  detector_set_duration (scene.detector, FRAME_NS);
  scene.next.pts_ns -= 15 * FRAME_NS;
  scene.next.same = 1;
  scene_play (&scene, 50);
  for (FaultKind i = 0; i < N_FAULTS; i++)
    g_assert_cmpuint (scene.counts[i], ==, 0);

  /* The next one is told of before it is seen. */
  detector_set_ended (scene.detector, TRUE, scene.next.sequence - 1);
  scene_wait (&scene, 100);
  detector_set_ended (scene.detector, FALSE, scene.next.sequence);
  scene.next.pts_ns -= 15 * FRAME_NS;
  scene_play (&scene, 50);
  for (FaultKind i = 0; i < N_FAULTS; i++)
    g_assert_cmpuint (scene.counts[i], ==, 0);
  scene_wait (&scene, 50);
  scene_end (&scene, FAULT_FREEZE, 1);
}

/* Whose fault a silence is. */
static void
test_waiting (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 20);
  detector_set_waiting (scene.detector, TRUE);
  scene_wait (&scene, 50);
  g_assert_true (g_str_has_prefix (scene.text, "the producer waits for a lossless consumer"));
  detector_set_waiting (scene.detector, FALSE);
  scene_play (&scene, 20);
  scene_wait (&scene, 50);
  g_assert_null (strstr (scene.text, "lossless consumer"));
  detector_set_silent (scene.detector, TRUE);
  scene_play (&scene, 20);
  scene_wait (&scene, 50);
  g_assert_nonnull (strstr (scene.text, "does not answer"));
  scene_end (&scene, FAULT_FREEZE, 3);
}

/* What feeds the producer says that it repeats: it does, all the same. */
static void
test_declared (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 4; i++)
    {
      scene_play (&scene, 10);
      for (guint j = 0; j < 3; j++)
        {
          scene.next.flags = i == 0 || j == i ? SHMFRAME_FLAG_GAP : 0;
          scene.next.same = 1;
          scene_show (&scene);
        }
      scene_play (&scene, 1);
      g_assert_cmpuint (scene.counts[FAULT_DUPLICATE], ==, i + 1);
      g_assert_true ((strstr (scene.text, "says so") != NULL) == (i == 0));
    }
  scene_end (&scene, FAULT_DUPLICATE, 4);
}

static void
test_duplicate (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 10; i++)
    {
      scene_play (&scene, 1);
      scene.next.same = 1;
      scene_show (&scene);
      g_assert_cmpuint (scene.counts[FAULT_DUPLICATE], ==, i); /* not yet */
    }
  scene_play (&scene, 1);
  g_assert_cmpuint (scene.sequence, ==, 20);
  /* Many in a row are one. */
  for (guint i = 0; i < 10; i++)
    {
      scene.next.same = 1;
      scene_show (&scene);
    }
  scene_play (&scene, 10);
  g_assert_cmpuint (scene.sequence, ==, 22);
  scene_end (&scene, FAULT_DUPLICATE, 11);
}

static void
test_gap_pts (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 5; i++)
    {
      scene_play (&scene, 10);
      scene_skip (&scene); /* upstream of the producer: no sequence */
      scene.next.sequence--;
    }
  scene_play (&scene, 10);
  g_assert_cmpuint (scene.sequence, ==, 51);
  scene_end (&scene, FAULT_GAP, 5);
}

/* Frames that say how long they last, whatever the rate is: they are believed, and no more. */
static void
test_gap_variable (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 60; i++)
    {
      guint more = i % 7 % 4 + (i == 40);

      scene.next.duration_ns = (1 + i % 7 % 4) * FRAME_NS;
      scene_show (&scene);
      scene.next.pts_ns += more * FRAME_NS;
      scene.next.publish_ns += more * FRAME_NS;
    }
  g_assert_cmpuint (scene.sequence, ==, 42);
  scene_end (&scene, FAULT_GAP, 1);
}

/* The duration of a frame is learned. */
static void
test_gap_learned (void)
{
  Scene scene;

  scene_begin (&scene);
  detector_set_duration (scene.detector, 0);
  for (guint i = 0; i < 60; i++)
    {
      scene.next.duration_ns = SHMFRAME_TIME_UNKNOWN;
      scene_show (&scene);
      if (i == 50)
        {
          scene_skip (&scene);
          scene.next.sequence--;
        }
    }
  scene_end (&scene, FAULT_GAP, 1);
}

static void
test_gap_dropped (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 20);
  detector_dropped (scene.detector, 3, 23, scene.next.publish_ns);
  g_assert_cmpuint (scene.sequence, ==, 23);
  for (guint i = 0; i < 3; i++)
    scene_skip (&scene);
  scene.next.missed = 3;
  scene_play (&scene, 20);
  scene_end (&scene, FAULT_GAP, 1);
}

static void
test_backwards (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 5; i++)
    {
      scene_play (&scene, 20);
      scene.next.pts_ns -= 10 * FRAME_NS; /* one wrong time */
      scene_show (&scene);
      scene.next.pts_ns += 10 * FRAME_NS;
    }
  g_assert_cmpuint (scene.sequence, ==, 105);
  /* Another time line, for good. */
  scene.next.pts_ns -= 1000 * FRAME_NS;
  scene_play (&scene, 100);
  scene_end (&scene, FAULT_BACKWARDS, 6);
}

/* One fault, however long; neither late nor a gap, whether pts catches up or goes on from there. */
static void
test_standing (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 2; i++)
    {
      scene_play (&scene, 20);
      for (guint j = 0; j < 50; j++)
        {
          scene.next.pts_ns -= FRAME_NS;
          scene_show (&scene);
        }
      g_assert_cmpuint (scene.sequence, ==, 21 + i * 70);
      if (i == 0)
        scene.next.pts_ns += 50 * FRAME_NS;
    }
  scene_play (&scene, 20);
  g_assert_nonnull (strstr (scene.text, "that of the frame before"));
  scene_end (&scene, FAULT_BACKWARDS, 2);
}

/* The same frame again may bear the same time. */
static void
test_standing_repeat (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 20);
  for (guint i = 0; i < 20; i++)
    {
      scene.next.same = 1;
      scene.next.pts_ns -= FRAME_NS;
      scene_show (&scene);
    }
  scene_end_clean (&scene);
}

static void
test_discont (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 20);
  scene.next.pts_ns -= 100 * FRAME_NS;
  scene.next.flags = SHMFRAME_FLAG_DISCONT;
  scene_play (&scene, 100);
  scene_end_clean (&scene);
}

static void
test_late (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 3; i++)
    {
      scene_play (&scene, 30);
      for (guint j = 0; j < 5; j++) /* and what was held up behind it */
        scene_show_late (&scene, (500 - 100 * j) * MS);
    }
  scene_play (&scene, 30);
  g_assert_cmpuint (scene.sequence, ==, 2 * 35 + 31);
  g_assert_true (g_str_has_prefix (scene.text, "the producer, or what feeds it, was held up"));
  scene_end (&scene, FAULT_LATE, 3);
}

/* All a little later from some time on is soon as usual. */
static void
test_late_step (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 100);
  scene.next.publish_ns += 200 * MS;
  scene_play (&scene, 100);
  scene_end (&scene, FAULT_LATE, 1);
}

static void
test_late_limit (void)
{
  const DetectLimits limits = { .late_ns = 300 * MS };
  Scene scene;

  scene_begin (&scene);
  detector_free (scene.detector);
  scene.detector = detector_new (&limits, note_fault, &scene);
  scene_play (&scene, 50);
  scene_show_late (&scene, 250 * MS);
  scene_play (&scene, 20);
  g_assert_cmpuint (scene.counts[FAULT_LATE], ==, 0);
  scene_show_late (&scene, 350 * MS);
  scene_end (&scene, FAULT_LATE, 1);
}

static void
test_tear (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 20);
  detector_changed (scene.detector, 19, scene.next.publish_ns);
  scene_play (&scene, 20);
  g_assert_cmpuint (scene.sequence, ==, 19);
  scene_end (&scene, FAULT_TEAR, 1);
}

/* Whoever looks seldom concludes nothing from what it did not see. */
static void
test_unseen (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 100; i++)
    {
      guint missed = i % 10 == 0 ? 40 : i % 3; /* up to 1.6 s */

      for (guint j = 0; j < missed; j++)
        scene_skip (&scene);
      scene.next.missed = missed;
      scene.next.same = i % 20 == 0; /* by chance */
      if (i % 10 == 5)
        scene.next.pts_ns += 5 * FRAME_NS * (missed > 0);
      scene_show (&scene);
    }
  /* The same for a moment, and a picture later another: a freeze, or not. */
  scene.next.same = 1;
  scene_show (&scene);
  for (guint i = 0; i < 40; i++)
    scene_skip (&scene);
  scene.next.missed = 40;
  scene_show (&scene);
  /* Backwards, but a frame that was not seen may have said so. */
  scene_skip (&scene);
  scene.next.missed = 1;
  scene.next.pts_ns -= 100 * FRAME_NS;
  scene_play (&scene, 30);
  scene_end_clean (&scene);
}

/* A freeze is one also for who misses some of it. */
static void
test_freeze_unseen (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 10);
  for (guint i = 0; i < 30; i++)
    {
      scene_skip (&scene);
      scene.next.missed = 1;
      scene.next.same = 1;
      scene_show (&scene);
    }
  scene_play (&scene, 10);
  scene_end (&scene, FAULT_FREEZE, 1);
}

/* Pixels that could not be copied are no other picture, nor the same. */
static void
test_overtaken (void)
{
  Scene scene;

  scene_begin (&scene);
  for (guint i = 0; i < 200; i++)
    {
      scene.next.same = i % 2 == 0 ? -1 : 0;
      scene_show (&scene);
    }
  for (guint i = 0; i < 200; i++)
    {
      scene.next.same = -1;
      scene_show (&scene);
    }
  scene_end_clean (&scene);
}

static void
test_reset (void)
{
  Scene scene;

  scene_begin (&scene);
  scene_play (&scene, 50);
  detector_reset (scene.detector);
  scene.next.sequence = 1;
  scene.next.pts_ns -= 30 * FRAME_NS;
  scene.next.publish_ns += 2000 * MS;
  scene_play (&scene, 50);
  scene_end_clean (&scene);
}

/* A peer's numbers, whatever they are. */
static void
test_hostile (void)
{
  static const gint64 times[]
      = { G_MININT64, G_MININT64 + 1, -1, 0, 1, G_MAXINT64 / 2, G_MAXINT64 - 1, G_MAXINT64 };
  Scene scene;

  scene_begin (&scene);
  detector_set_duration (scene.detector, G_MAXINT64);
  for (guint i = 0; i < 4096; i++)
    {
      FrameSample sample = { .sequence = i * G_GUINT64_CONSTANT (0x123456789abcdef),
                             .pts_ns = times[i % 8],
                             .duration_ns = times[i / 8 % 8],
                             .publish_ns = times[i / 64 % 8],
                             .missed = i % 3 == 0 ? 0 : G_MAXUINT64,
                             .same = (gint) (i % 3) - 1 };

      detector_frame (scene.detector, &sample);
      detector_tick (scene.detector, times[3 + i / 512 % 5]);
    }
  detector_free (scene.detector);
  g_free (scene.text);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/detect/clean", test_clean);
  g_test_add_func ("/detect/irregular", test_irregular);
  g_test_add_func ("/detect/freeze-picture", test_freeze_picture);
  g_test_add_func ("/detect/freeze-silence", test_freeze_silence);
  g_test_add_func ("/detect/freeze-from-start", test_freeze_from_start);
  g_test_add_func ("/detect/slow", test_slow);
  g_test_add_func ("/detect/slow-repeats", test_slow_repeats);
  g_test_add_func ("/detect/rateless", test_rateless);
  g_test_add_func ("/detect/unlooked", test_unlooked);
  g_test_add_func ("/detect/ended", test_ended);
  g_test_add_func ("/detect/waiting", test_waiting);
  g_test_add_func ("/detect/declared", test_declared);
  g_test_add_func ("/detect/duplicate", test_duplicate);
  g_test_add_func ("/detect/gap-pts", test_gap_pts);
  g_test_add_func ("/detect/gap-variable", test_gap_variable);
  g_test_add_func ("/detect/gap-learned", test_gap_learned);
  g_test_add_func ("/detect/gap-dropped", test_gap_dropped);
  g_test_add_func ("/detect/backwards", test_backwards);
  g_test_add_func ("/detect/standing", test_standing);
  g_test_add_func ("/detect/standing-repeat", test_standing_repeat);
  g_test_add_func ("/detect/discont", test_discont);
  g_test_add_func ("/detect/late", test_late);
  g_test_add_func ("/detect/late-step", test_late_step);
  g_test_add_func ("/detect/late-limit", test_late_limit);
  g_test_add_func ("/detect/tear", test_tear);
  g_test_add_func ("/detect/unseen", test_unseen);
  g_test_add_func ("/detect/freeze-unseen", test_freeze_unseen);
  g_test_add_func ("/detect/overtaken", test_overtaken);
  g_test_add_func ("/detect/reset", test_reset);
  g_test_add_func ("/detect/hostile", test_hostile);
  return g_test_run ();
}
