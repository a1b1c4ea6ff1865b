/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "consumer-entry.h"

#include <string.h>

static const struct
{
  const char *key;
  gsize offset; /* of a guint64 */
} numbers[] = {
  { "id", G_STRUCT_OFFSET (ConsumerEntry, id) },
  { "pid", G_STRUCT_OFFSET (ConsumerEntry, pid) },
  { "leases", G_STRUCT_OFFSET (ConsumerEntry, leases) },
  { "held", G_STRUCT_OFFSET (ConsumerEntry, held) },
  { "lag", G_STRUCT_OFFSET (ConsumerEntry, lag) },
  { "drops", G_STRUCT_OFFSET (ConsumerEntry, drops) },
  { "longest-hold-ns", G_STRUCT_OFFSET (ConsumerEntry, longest_hold_ns) },
  { "latency-p50-ns", G_STRUCT_OFFSET (ConsumerEntry, latency_p50_ns) },
  { "latency-p99-ns", G_STRUCT_OFFSET (ConsumerEntry, latency_p99_ns) },
};
static const struct
{
  const char *key;
  gsize offset; /* of a const char * */
} texts[] = {
  { "program", G_STRUCT_OFFSET (ConsumerEntry, program) },
  { "delivery", G_STRUCT_OFFSET (ConsumerEntry, delivery) },
  { "wait", G_STRUCT_OFFSET (ConsumerEntry, wait) },
};

static void
read_text (ConsumerEntry *self, const char *key, GVariant *value)
{
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (g_str_equal (key, texts[i].key))
      G_STRUCT_MEMBER (const char *, self, texts[i].offset) = g_variant_get_string (value, NULL);
}

static void
read_number (ConsumerEntry *self, const char *key, guint64 value)
{
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (g_str_equal (key, numbers[i].key))
      G_STRUCT_MEMBER (guint64, self, numbers[i].offset) = value;
}

void
consumer_entry_read (ConsumerEntry *self, GVariant *consumer)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  *self = (ConsumerEntry){ .program = "", .delivery = "", .wait = "" };
  g_variant_iter_init (&iter, consumer);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
      read_text (self, key, value);
    else if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
      read_number (self, key, g_variant_get_uint32 (value));
    else if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
      read_number (self, key, g_variant_get_uint64 (value));
}

/* ---- the hint ------------------------------------------------------------------------------ */

static void add_hint (GString *text, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
add_hint (GString *text, const char *format, ...)
{
  va_list args;

  if (text->len > 0)
    g_string_append (text, " · ");
  va_start (args, format);
  g_string_append_vprintf (text, format, args);
  va_end (args);
}

static const char *
frames (guint64 n)
{
  return n == 1 ? "frame" : "frames";
}

char *
consumer_entry_dup_hint (const ConsumerEntry *self, gint64 own_rate, guint64 window, gboolean live)
{
  guint64 leases = self->leases, held = self->held, lag = self->lag;
  gboolean waited_for = window > 0 && g_str_equal (self->delivery, "lossless");
  GString *text = g_string_new (NULL);

#define NUMBER "%" G_GUINT64_FORMAT
  if (leases == 1 && held >= leases)
    add_hint (text, "holds its only lease: it cannot get the next frame; release sooner or ask for "
                    "more leases");
  else if (leases > 1 && held >= leases)
    add_hint (text,
              "holds all of its " NUMBER " leases: it cannot get the next frame; release sooner or "
              "ask for more leases",
              leases);
  if (waited_for && lag >= window)
    add_hint (text, "the producer %s: " NUMBER " %s behind, all of a window of " NUMBER,
              live ? "evicts it" : "waits for it", lag, frames (lag), window);
  else if (waited_for && lag > 0 && lag >= window - window / 4)
    add_hint (text, "the producer will %s: " NUMBER " %s behind of a window of " NUMBER,
              live ? "evict it" : "wait", lag, frames (lag), window);
  if (own_rate > 0)
    add_hint (text,
              "too slow for its delivery, or a flush took them back: missed %" G_GINT64_FORMAT
              " %s in the last second",
              own_rate, frames ((guint64) own_rate));
#undef NUMBER
  return g_string_free (text, FALSE);
}
