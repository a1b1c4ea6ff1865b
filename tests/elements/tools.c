/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What GStreamer's own tools make of the plugin: gst-inspect-1.0, gst-play-1.0, gst-discoverer-1.0, and
 * whatever else takes a URI. */

#include "child.h"

#include <glib/gstdio.h>
#include <gst/gst.h>

#define SMALL "video/x-raw,format=I420,width=320,height=240,framerate=30/1"
#define SMALL_BYTES (320 * 240 * 3 / 2)

#define READY "readable, writable, changeable only in NULL or READY state"
#define PLAYING "readable, writable, changeable in NULL, READY, PAUSED or PLAYING state"

typedef struct
{
  const char *name, *flags, *type;
} Property;

static const Property source[] = {
  { "pool", READY, "String. Default: \"default\"" },
  { "delivery", READY, "Enum \"*ShmFrame*Delivery\" Default: 1, \"ordered\"" },
  { "max-lag", READY, "Integer. Range: -1 - 2147483647 Default: 4 " },
  { "leases", READY, "Unsigned Integer. Range: 0 - 255 Default: 0 " },
  { "wait", READY, "Enum \"*ShmFrame*Wait\" Default: 0, \"sleep\"" },
  { "on-producer-eos", PLAYING, "Enum \"GstShmFrameSrcOnEos\" Default: 0, \"eos\"" },
  { "on-producer-lost", PLAYING, "Enum \"GstShmFrameSrcOnLost\" Default: 0, \"wait\"" },
  { "timeout", READY, "Integer64. Range: -1 - 9223372036854775807 Default: -1 " },
  { "offset-to-zero", READY, "Boolean. Default: false" },
  { "stats", "readable", "Boxed pointer of type \"GstStructure\"" },
  { NULL, NULL, NULL },
};

static const char *const source_inherits[]
    = { "blocksize", "do-timestamp", "name",          "num-buffers",
        "parent",    "typefind",     "automatic-eos", NULL };

static const Property sink[] = {
  { "pool", READY, "String. Default: \"default\"" },
  { "slots", READY, "Unsigned Integer. Range: 0 - 16384 Default: 0 " },
  { "max-consumers", READY, "Unsigned Integer. Range: 1 - 1024 Default: 8 " },
  { "consumer-leases", READY, "Unsigned Integer. Range: 1 - 255 Default: 4 " },
  { "history", READY, "Unsigned Integer. Range: 0 - 8192 Default: 1 " },
  { "window", READY, "Unsigned Integer. Range: 1 - 8192 Default: 4 " },
  { "wait-for-consumer", READY, "Boolean. Default: false" },
  { "lossless", READY, "Boolean. Default: true" },
  { "stall-timeout", PLAYING,
    "Unsigned Integer64. Range: 0 - 9223372036854775807 Default: 2000000000 " },
  { "sync-live", PLAYING, "Boolean. Default: false" },
  { "num-consumers", "readable", "Unsigned Integer. Range: 0 - 4294967295 Default: 0 " },
  { "mode", READY, "Unsigned Integer. Range: 0 - 511 Default: 384 " },
  { "group", READY, "String. Default: null" },
  { "stats", "readable", "Boxed pointer of type \"GstStructure\"" },
  { NULL, NULL, NULL },
};

static const char *const sink_inherits[] = { "async",         "blocksize",    "enable-last-sample",
                                             "last-sample",   "max-bitrate",  "max-lateness",
                                             "name",          "parent",       "processing-deadline",
                                             "qos",           "render-delay", "sync",
                                             "throttle-time", "ts-offset",    NULL };

/* The lines of gst-inspect-1.0; argument NULL: none. */
static GPtrArray *
inspect (const char *name, const char *argument)
{
  g_autoptr (Child) child
      = child_spawn ((const char *[]){ "gst-inspect-1.0", name, argument, NULL });

  g_assert_cmpint (finish (child), ==, 0);
  return g_ptr_array_ref (child->lines);
}

/* Where the line is that matches a pattern, from one on; or fails. */
static guint
find (GPtrArray *lines, guint from, const char *pattern)
{
  for (guint i = from; i < lines->len; i++)
    if (g_pattern_match_simple (pattern, lines->pdata[i]))
      return i;
  g_test_message ("no line like '%s'", pattern);
  g_test_fail ();
  return lines->len;
}

static const char *
line_at (GPtrArray *lines, guint i)
{
  return i < lines->len ? lines->pdata[i] : "";
}

/* One of "  name                : description"; NULL: the line is none. */
static char *
property_name (const char *line)
{
  const char *colon = strstr (line, ": ");

  if (!g_str_has_prefix (line, "  ") || line[2] == ' ' || !colon)
    return NULL;
  return g_strchomp (g_strndup (line + 2, colon - line - 2));
}

static void
check_properties (GPtrArray *lines, const Property *properties, const char *const *inherited)
{
  guint from = find (lines, 0, "Element Properties:"), n = 0;

  for (const Property *p = properties; p->name; p++, n++)
    {
      g_autofree char *name = g_strdup_printf ("  %-20s: ?*", p->name);
      g_autofree char *flags = g_strconcat ("*flags: ", p->flags, NULL);
      g_autofree char *type = g_strconcat ("   *", p->type, NULL);
      guint at = find (lines, from, name);

      g_test_message ("%s", p->name);
      g_assert_true (g_pattern_match_simple (flags, line_at (lines, at + 1)));
      g_assert_true (g_pattern_match_simple (type, line_at (lines, at + 2)));
    }
  for (guint i = from + 1; i < lines->len && !g_str_equal (lines->pdata[i], "Element Signals:");
       i++)
    {
      g_autofree char *name = property_name (lines->pdata[i]);

      if (name && !g_strv_contains (inherited, name))
        n--;
    }
  g_assert_cmpuint (n, ==, 0); /* none that the list above lacks */
}

static const char *const raw_and_compressed[] = { "      video/x-raw",
                                                  "*format: {*I420*}",
                                                  "      image/jpeg",
                                                  "      video/x-h264",
                                                  "*stream-format: byte-stream",
                                                  "*alignment: au",
                                                  NULL };

static void
check_in_order (GPtrArray *lines, const char *const *patterns)
{
  for (guint at = 0; *patterns; patterns++)
    at = find (lines, at, *patterns) + 1;
}

static void
test_inspect_plugin (void)
{
  g_autoptr (GPtrArray) lines = inspect ("shmframe", NULL);

  check_in_order (lines, (const char *const[]){
                             "Plugin Details:", "  Name * shmframe",
                             "  Description * Video frames ?*", "  Filename */libgstshmframe.so",
                             "  Version * ?*", "  License * LGPL", "  Source module * shmframe",
                             "  Binary package * shmframe", "  Origin URL * Unknown package origin",
                             "  shmframedeviceprovider: Shared memory video device provider",
                             "  shmframesink: Shared memory video sink",
                             "  shmframesrc: Shared memory video source", "  3 features:",
                             "  +-- 2 elements", "  +-- 1 device providers", NULL });
}

static void
test_inspect_source (void)
{
  g_autoptr (GPtrArray) lines = inspect ("shmframesrc", NULL);
  /* Makes every element there is: what others warn of (in 1.26, cc708overlay) is not ours. */
  g_autoptr (Child) schemes = child_spawn (
      (const char *[]){ "env", "-u", "G_DEBUG", "gst-inspect-1.0", "--uri-handlers", NULL });

  check_in_order (lines,
                  (const char *const[]){
                      "Factory Details:", "  Rank * primary (256)",
                      "  Long-name * Shared memory video source", "  Klass * Source/Video",
                      "  Description * Reads video frames ?*", "  Author * The shmframe authors",
                      "* +----GstShmFrameSrc", "Implemented Interfaces:", "  GstURIHandler",
                      "  SRC template: 'src'", "    Availability: Always", NULL });
  check_in_order (lines, raw_and_compressed);
  check_in_order (lines, (const char *const[]){
                             "URI handling capabilities:", "  Element can act as source.",
                             "  Supported URI protocols:", "    shmframe", "  SRC: 'src'", NULL });
  check_properties (lines, source, source_inherits);
  g_assert_cmpint (finish (schemes), ==, 0);
  find (schemes->lines, 0, "shmframesrc (read, rank 256): shmframe");
}

static void
test_inspect_sink (void)
{
  g_autoptr (GPtrArray) lines = inspect ("shmframesink", NULL);

  check_in_order (lines, (const char *const[]){
                             "Factory Details:", "  Rank * none (0)",
                             "  Long-name * Shared memory video sink", "  Klass * Sink/Video",
                             "  Description * Publishes video frames ?*",
                             "  Author * The shmframe authors", "* +----GstShmFrameSink",
                             "  SINK template: 'sink'", "    Availability: Always", NULL });
  check_in_order (lines, raw_and_compressed);
  check_properties (lines, sink, sink_inherits);
  check_in_order (
      lines, (const char *const[]){ "Element Signals:", "  \"consumer-attached\" :  void *",
                                    "* GstStructure* arg0,", "  \"consumer-detached\" :  void *",
                                    "* GstStructure* arg0,", NULL });
}

/* "(0): eos              - End the stream too" */
static void
check_enum (GPtrArray *lines, const char *property, const char *const *values)
{
  g_autofree char *name = g_strdup_printf ("  %-20s: ?*", property);
  guint at = find (lines, 0, name) + 3;

  for (; *values; values++, at++)
    {
      g_autofree char *pattern = g_strdup_printf ("*(?*): %-16s - *", *values);
      const char *line = line_at (lines, at), *text = strstr (line, " - ");

      g_test_message ("%s", line);
      g_assert_true (g_pattern_match_simple (pattern, line));
      g_assert_true (g_ascii_isupper (text[3]) && strchr (text + 3, ' ')); /* words */
    }
  g_assert_null (strstr (line_at (lines, at), "): "));
}

static void
test_inspect_enums (void)
{
  g_autoptr (GPtrArray) lines = inspect ("shmframesrc", NULL);

  check_enum (lines, "on-producer-eos", (const char *const[]){ "eos", "wait", NULL });
  check_enum (lines, "on-producer-lost", (const char *const[]){ "wait", "eos", "error", NULL });
}

static GstElement *
source_new (void)
{
  return gst_object_ref_sink (gst_element_factory_make ("shmframesrc", NULL));
}

static void
test_plugin_api (void)
{
  static const char *const names[] = { "delivery", "wait", "on-producer-eos", "on-producer-lost" };
  g_autoptr (GstElement) element = source_new ();

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), names[i]);

      g_assert_true (gst_type_is_plugin_api (pspec->value_type, NULL));
    }
}

/* The library's enums show the names of their C constants instead of descriptions. */
static void
test_inspect_library_enums (void)
{
  g_autoptr (GPtrArray) lines = inspect ("shmframesrc", NULL);

  check_enum (lines, "delivery", (const char *const[]){ "latest", "ordered", "lossless", NULL });
  check_enum (lines, "wait", (const char *const[]){ "sleep", "spin", "predict", NULL });
}

/* gst-inspect-1.0 does not show it; the reference does. */
static void
check_since (const char *file, const char *format, ...)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "..", "gst-plugin", file, NULL);
  g_autofree char *topic = NULL, *head = NULL, *text = NULL;
  char *block;
  va_list args;

  va_start (args, format);
  topic = g_strdup_vprintf (format, args);
  va_end (args);
  head = g_strdup_printf (" * %s\n", topic);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_test_message ("%s in %s", topic, file);
  block = strstr (text, head);
  g_assert_nonnull (block);
  *strstr (block, "*/") = '\0';
  g_assert_nonnull (strstr (block, " * Since: "));
}

static void
test_since (void)
{
  check_since ("gstshmframesrc.c", "SECTION:element-shmframesrc");
  check_since ("gstshmframesink.c", "SECTION:element-shmframesink");
  check_since ("gstshmframedeviceprovider.c", "SECTION:provider-shmframedeviceprovider");
  for (const Property *p = source; p->name; p++)
    check_since ("gstshmframesrc.c", "GstShmFrameSrc:%s:", p->name);
  for (const Property *p = sink; p->name; p++)
    check_since ("gstshmframesink.c", "GstShmFrameSink:%s:", p->name);
  check_since ("gstshmframesink.c", "GstShmFrameSink::consumer-attached:");
  check_since ("gstshmframesink.c", "GstShmFrameSink::consumer-detached:");
}

/* ---- URIs ---- */

/* Each sets that pool, and is read back as the last. */
static void
test_uri_good (void)
{
  static const char *const uris[][3] = {
    { "shmframe://cam0", "cam0", "shmframe://cam0" },
    { "shmframe://cam0/", "cam0", "shmframe://cam0" },
    { "SHMFRAME://Cam0?", "Cam0", "shmframe://Cam0" },
    { "shmframe:///run/x/a.sock", "/run/x/a.sock", "shmframe:///run/x/a.sock" },
    { "shmframe:///run/a%20b%3F?wait=spin", "/run/a b?", "shmframe:///run/a%20b%3F?wait=spin" },
    { "shmframe://a%20b%3Ac%40d%3F%C3%A9", "a b:c@d?\303\251",
      "shmframe://a%20b%3Ac%40d%3F%C3%A9" },
    { "shmframe://a?delivery=latest", "a", "shmframe://a?delivery=latest" },
    { "shmframe://a?on-producer-lost=eos&leases=7&delivery=lossless", "a",
      "shmframe://a?delivery=lossless&leases=7&on-producer-lost=eos" },
    { "shmframe://a?delivery=ordered&timeout=-1&max-lag=4&on-producer-eos=wait&offset-to-zero=true",
      "a", "shmframe://a?on-producer-eos=wait&offset-to-zero=true" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (uris); i++)
    for (guint again = 0; again <= 2; again += 2)
      {
        g_autoptr (GstElement) element = source_new ();
        g_autoptr (GError) error = NULL;
        g_autofree char *uri = NULL, *pool = NULL;

        gst_uri_handler_set_uri (GST_URI_HANDLER (element), uris[i][again], &error);
        g_assert_no_error (error);
        g_object_get (element, "pool", &pool, NULL);
        g_assert_cmpstr (pool, ==, uris[i][1]);
        uri = gst_uri_handler_get_uri (GST_URI_HANDLER (element));
        g_assert_cmpstr (uri, ==, uris[i][2]);
      }
}

/* Refused, in words that tell which part, and without having set the rest. */
static void
test_uri_bad (void)
{
  static const char *const uris[][2] = {
    { "shmframe://", "like shmframe://POOL" },
    { "shmframe:", "like shmframe://POOL" },
    { "shmframe:cam0", "like shmframe://POOL" },
    { "shmframe:///", "like shmframe://POOL" },
    { "shmframe://a/b", "'shmframe://a/b'" },
    { "shmframe://a%2Fb", "'shmframe://a%2Fb'" },
    { "shmframe://u@cam0", "'shmframe://u@cam0'" },
    { "shmframe://cam0:80", "'shmframe://cam0:80'" },
    { "shmframe://cam0#x", "'shmframe://cam0#x'" },
    { "shmframe://%00", "'shmframe://%00'" },
    { "shmframe://cam0?delivery", "'delivery='" },
    { "shmframe://cam0?delivery=", "'delivery='" },
    { "shmframe://cam0?delivery=fast", "'delivery=fast'" },
    { "shmframe://cam0?delivery=7", "'delivery=7'" },
    { "shmframe://cam0?leases=256", "'leases=256'" },
    { "shmframe://cam0?leases=7x", "'leases=7x'" },
    { "shmframe://cam0?timeout=-2", "'timeout=-2'" },
    { "shmframe://cam0?pool=b", "'pool=b'" },
    { "shmframe://cam0?num-buffers=1", "'num-buffers=1'" },
    { "shmframe://cam0?wait=spin&delivery=latest&leases=1&nothing=0&max-lag=1", "'nothing=0'" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (uris); i++)
    {
      g_autoptr (GstElement) element = source_new ();
      g_autoptr (GError) error = NULL;
      g_autofree char *uri = NULL;

      g_assert_false (gst_uri_handler_set_uri (GST_URI_HANDLER (element), uris[i][0], &error));
      g_assert_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI);
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, uris[i][1]));
      uri = gst_uri_handler_get_uri (GST_URI_HANDLER (element));
      g_assert_cmpstr (uri, ==, "shmframe://default");
    }
}

static void
test_uri_late (void)
{
  g_autoptr (GstElement) element = source_new ();
  g_autoptr (GError) error = NULL;

  gst_element_set_state (element, GST_STATE_PAUSED);
  g_assert_false (gst_uri_handler_set_uri (GST_URI_HANDLER (element), "shmframe://b", &error));
  g_assert_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE);
  gst_element_set_state (element, GST_STATE_NULL);
  g_assert_true (gst_uri_handler_set_uri (GST_URI_HANDLER (element), "shmframe://b", NULL));
}

/* An application that is given a bad URI hears of it. */
static void
test_uri_error (void)
{
  static const char *const uris[][2] = { { "shmframe://a/b", "shmframe://a/b" },
                                         { "shmframe://t?delivery=fast", "delivery=fast" },
                                         { "shmframe://none?timeout=1000000", "none" } };

  for (guint i = 0; i < G_N_ELEMENTS (uris); i++)
    {
      g_autoptr (Child) child = run ("uridecodebin uri=\"%s\" ! fakesink", uris[i][0]);
      const char *line = wait_line (child, "error ");

      g_assert_nonnull (line);
      g_test_message ("%s", line);
      g_assert_nonnull (strstr (line, uris[i][1]));
      g_assert_cmpint (finish (child), ==, 1);
    }
}

#define PRODUCE(n, rest) "videotestsrc num-buffers=" #n " ! " SMALL rest " ! shmframesink pool=t"

/* All frames of a stream, to its end. */
static void
play (const char *pipeline, const char *uri)
{
  g_autoptr (Child) consumer = run (pipeline, uri);
  g_autoptr (Child) producer = run (PRODUCE (10, "") " wait-for-consumer=true");

  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "frame "), ==, 10);
  g_assert_cmpuint (count_lines (consumer, "warning"), ==, 0);
}

static void
test_uridecodebin (void)
{
  g_autofree char *path = g_strdup_printf ("shmframe://%s/t.sock?delivery=lossless", folder);

  play ("uridecodebin uri=\"%s\" ! fakesink name=check sync=false",
        "shmframe://t?delivery=lossless");
  play ("uridecodebin uri=\"%s\" ! fakesink name=check sync=false", path);
  play ("uridecodebin3 uri=\"%s\" ! fakesink name=check sync=false",
        "shmframe://t?delivery=lossless");
}

/* The producer says how its consumer reads. */
static void
test_uri_delivery (void)
{
  g_autoptr (Child) producer
      = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=t name=s");
  g_autoptr (Child) consumer
      = run ("uridecodebin uri=\"shmframe://t?delivery=latest\" ! fakesink name=check");

  expect_line (consumer, "frame ");
  tell (producer, "stats");
  expect_line (producer, "stats ");
  g_assert_true (g_pattern_match_simple ("*delivery?=*latest*",
                                         producer->lines->pdata[producer->lines->len - 1]));
  tell (consumer, "quit");
  g_assert_cmpint (finish (consumer), ==, 0);
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
}

static void
test_gst_play (void)
{
  g_autofree char *path = g_build_filename (folder, "played.raw", NULL);
  g_autofree char *to_file = g_strdup_printf ("--videosink=filesink location=%s sync=false", path);
  g_autoptr (Child) consumer = child_spawn ((const char *[]){
      "gst-play-1.0", "--no-interactive", to_file, "shmframe://t?delivery=lossless", NULL });
  g_autoptr (Child) producer = run (PRODUCE (30, "") " wait-for-consumer=true");
  GStatBuf status;

  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpint (status.st_size, ==, 30 * SMALL_BYTES);
}

/* A live source does not preroll: the discoverer lets it play, and finds what it pushes. */
static void
discover (const char *upstream, const char *const *patterns)
{
  g_autoptr (Child) producer
      = run ("videotestsrc is-live=true ! " SMALL "%s ! shmframesink pool=t", upstream);
  g_autoptr (Child) discoverer = NULL;

  expect_line (producer, "state PLAYING");
  discoverer = child_spawn ((const char *[]){ "gst-discoverer-1.0", "-v", "shmframe://t", NULL });
  g_assert_cmpint (finish (discoverer), ==, 0);
  check_in_order (discoverer->lines, patterns);
  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
}

static void
test_discoverer (void)
{
  discover ("", (const char *const[]){ "Analyzing shmframe://t", "Done discovering shmframe://t",
                                       "  Seekable: no", "  Live: yes",
                                       "* video/x-raw, format=(string)I420, width=(int)320, "
                                       "height=(int)240, framerate=(fraction)30/1,*",
                                       "    Width: 320", "    Height: 240", "    Frame rate: 30/1",
                                       NULL });
  if (have_elements ("jpegenc", "jpegdec", NULL))
    discover (" ! jpegenc",
              (const char *const[]){ "Done discovering shmframe://t",
                                     "*image/jpeg, *width=(int)320*", "    Width: 320", NULL });
}

/* Without a producer there is nothing to find, and an end to looking. */
static void
test_discoverer_nobody (void)
{
  g_autoptr (Child) discoverer
      = child_spawn ((const char *[]){ "gst-discoverer-1.0", "--timeout=1", "shmframe://t", NULL });

  finish (discoverer);
  find (discoverer->lines, 0, "*imed out*");
}

int
main (int argc, char **argv)
{
  begin_tests (&argc, &argv);
  gst_init (&argc, &argv);

  add ("/tools/inspect/plugin", test_inspect_plugin);
  add ("/tools/inspect/source", test_inspect_source);
  add ("/tools/inspect/sink", test_inspect_sink);
  add ("/tools/inspect/enums", test_inspect_enums);
  add ("/tools/inspect/library-enums", test_inspect_library_enums);
  add ("/tools/plugin-api", test_plugin_api);
  add ("/tools/since", test_since);
  add ("/tools/uri/good", test_uri_good);
  add ("/tools/uri/bad", test_uri_bad);
  add ("/tools/uri/late", test_uri_late);
  add ("/tools/uri/error", test_uri_error);
  add ("/tools/uri/uridecodebin", test_uridecodebin);
  add ("/tools/uri/delivery", test_uri_delivery);
  add ("/tools/uri/gst-play", test_gst_play);
  add ("/tools/uri/discoverer", test_discoverer);
  add ("/tools/uri/discoverer-nobody", test_discoverer_nobody);
  return run_tests ();
}
