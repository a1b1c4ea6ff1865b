/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"
#include "pool-view.h"

/* ---- tables -------------------------------------------------------------------------------- */

static void
print_numbers (const PoolView *view)
{
  GVariant *stats = view->stats;
  g_autofree char *pool = printable (lookup_string (stats, "pool"));
  g_autofree char *path = printable (lookup_string (stats, "path"));
  g_autofree char *program = printable (lookup_string (stats, "program"));
  g_autofree char *format
      = view->format != NULL ? shmframe_format_to_string (view->format) : g_strdup ("none yet");
  g_autofree char *shown_format = printable (format);
  g_autofree char *committed = human_size (lookup_number (stats, "committed-bytes"));
  g_autofree char *each = human_size (lookup_number (stats, "slot-bytes"));
  g_autofree char *waited = human_duration ((gint64) lookup_number (stats, "wait-ns"));

#define NUMBER "%" G_GUINT64_FORMAT
  g_print ("pool       %s (%s)\n", pool, path);
  g_print ("producer   %s, pid " NUMBER ", epoch %016" G_GINT64_MODIFIER "x, segment " NUMBER "\n",
           program, lookup_number (stats, "pid"), lookup_number (stats, "epoch"),
           lookup_number (stats, "segment"));
  g_print ("format     %s\n", shown_format);
  g_print ("slots      " NUMBER ", " NUMBER " committed: %s (%s each)\n",
           lookup_number (stats, "slots"), lookup_number (stats, "committed-slots"), committed,
           each);
  g_print ("promised   " NUMBER " slots to consumers, " NUMBER " to the producer (holds " NUMBER
           "); history " NUMBER ", window " NUMBER "\n",
           lookup_number (stats, "promised"), lookup_number (stats, "in-flight"),
           lookup_number (stats, "held"), lookup_number (stats, "history"),
           lookup_number (stats, "window"));
  g_print ("frames     latest " NUMBER ", published " NUMBER ", dropped " NUMBER "%s\n",
           view->latest, lookup_number (stats, "frames"), lookup_number (stats, "dropped"),
           pool_view_has_ended (view) ? "; the stream has ended" : "");
  g_print ("lossless   waited " NUMBER " times, %s; evictions " NUMBER "\n",
           lookup_number (stats, "waits"), waited, lookup_number (stats, "evictions"));
#undef NUMBER
}

static char *
dup_holders (const SlotView *slot)
{
  GString *text = g_string_new (slot->holders->len == 0 ? "-" : NULL);

  for (guint i = 0; i < slot->holders->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", (char *) slot->holders->pdata[i]);
  return g_string_free (text, FALSE);
}

/* How many slots from `first` on have never been anything, and so share a row. */
static guint
count_uncommitted (const PoolView *view, guint first)
{
  guint i = first;

  while (i < view->slots->len
         && g_array_index (view->slots, SlotView, i).state == SLOT_STATE_UNCOMMITTED)
    i++;
  return i - first;
}

static void
print_slots (const PoolView *view)
{
  static const char *const titles[]
      = { "SLOT", "STATE", "GENERATION", "SEQUENCE", "AGE", "HELD BY", NULL };
  Table table;

  if (view->slots->len == 0)
    return;
  table_init (&table, 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4, titles);
  for (guint i = 0; i < view->slots->len; i++)
    {
      const SlotView *slot = &g_array_index (view->slots, SlotView, i);
      guint uncommitted = count_uncommitted (view, i);

      table_add (&table, uncommitted > 1 ? g_strdup_printf ("%u-%u", i, i + uncommitted - 1)
                                         : g_strdup_printf ("%u", i));
      table_add (&table, g_strdup (slot_state_name (slot->state, slot->pinned)));
      table_add (&table, g_strdup_printf ("0x%" G_GINT64_MODIFIER "x", slot->generation));
      table_add (&table, g_strdup_printf ("%" G_GUINT64_FORMAT, slot->sequence));
      table_add (&table, human_duration (slot->age_ns));
      table_add (&table, dup_holders (slot));
      if (uncommitted > 1)
        i += uncommitted - 1;
    }
  g_print ("\n");
  table_print (&table);
}

static void
add_number (Table *table, GVariant *consumer, const char *key)
{
  table_add (table, g_strdup_printf ("%" G_GUINT64_FORMAT, lookup_number (consumer, key)));
}

static void
print_consumers (const PoolView *view)
{
  static const char *const titles[] = { "PID",  "PROGRAM", "DELIVERY", "WAIT",         "LEASES",
                                        "HELD", "LAG",     "DROPS",    "LONGEST HOLD", NULL };
  Table table;

  if (view->consumers->len == 0)
    {
      g_print ("\nno consumers\n");
      return;
    }
  table_init (&table, 1 << 0 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8, titles);
  for (guint i = 0; i < view->consumers->len; i++)
    {
      GVariant *consumer = view->consumers->pdata[i];

      add_number (&table, consumer, "pid");
      table_add (&table, printable (lookup_string (consumer, "program")));
      table_add (&table, printable (lookup_string (consumer, "delivery")));
      table_add (&table, printable (lookup_string (consumer, "wait")));
      add_number (&table, consumer, "leases");
      add_number (&table, consumer, "held");
      add_number (&table, consumer, "lag");
      add_number (&table, consumer, "drops");
      table_add (&table, human_hold (lookup_number (consumer, "longest-hold-ns"),
                                     pool_view_holding_ns (view, consumer)));
    }
  g_print ("\n");
  table_print (&table);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* Written in another form below, where a word or a handle says more than its number. */
static const char *const rewritten[]
    = { "consumers", "slot-states", "latest", "epoch", "live", NULL };

static void
add_slot_table (JsonBuilder *builder, const PoolView *view)
{
  json_builder_set_member_name (builder, "slot-table");
  json_builder_begin_array (builder);
  for (guint i = 0; i < view->slots->len; i++)
    {
      const SlotView *slot = &g_array_index (view->slots, SlotView, i);

      json_builder_begin_object (builder);
      json_add_number (builder, "slot", i);
      json_add_string (builder, "state", slot_state_name (slot->state, slot->pinned));
      json_add_number (builder, "generation", slot->generation);
      json_add_number (builder, "sequence", slot->sequence);
      json_builder_set_member_name (builder, "age-ns");
      if (slot->age_ns >= 0)
        json_builder_add_int_value (builder, slot->age_ns);
      else
        json_builder_add_null_value (builder);
      json_add_number (builder, "payload-size", slot->payload_size);
      json_add_number (builder, "format", slot->format);
      json_builder_set_member_name (builder, "holders");
      json_builder_begin_array (builder);
      for (guint j = 0; j < slot->holders->len; j++)
        json_builder_add_string_value (builder, slot->holders->pdata[j]);
      json_builder_end_array (builder);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_held_frames (JsonBuilder *builder, GVariant *handles)
{
  GVariantIter iter;
  guint64 handle;

  json_builder_set_member_name (builder, "held-frames");
  json_builder_begin_array (builder);
  g_variant_iter_init (&iter, handles);
  while (g_variant_iter_next (&iter, "t", &handle))
    {
      json_builder_begin_object (builder);
      json_add_number (builder, "sequence", handle >> 16);
      json_add_number (builder, "slot", handle & 0xffff);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_consumer (JsonBuilder *builder, const PoolView *view, GVariant *consumer)
{
  gint64 holding_ns = pool_view_holding_ns (view, consumer);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  json_builder_begin_object (builder);
  g_variant_iter_init (&iter, consumer);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      if (g_str_equal (key, "held-handles") && g_variant_is_of_type (value, G_VARIANT_TYPE ("at")))
        {
          add_held_frames (builder, value);
          continue;
        }
      json_builder_set_member_name (builder, key);
      json_builder_add_value (builder, json_gvariant_serialize (value));
    }
  json_builder_set_member_name (builder, "holding-ns");
  if (holding_ns >= 0)
    json_builder_add_int_value (builder, holding_ns);
  else
    json_builder_add_null_value (builder);
  json_builder_end_object (builder);
}

static void
print_view_json (const PoolView *self)
{
  JsonBuilder *builder = json_builder_new ();
  gboolean live_input;
  g_autofree char *epoch
      = g_strdup_printf ("%016" G_GINT64_MODIFIER "x", lookup_number (self->stats, "epoch"));
  GVariantIter iter;
  const char *key;
  GVariant *value;

  json_builder_begin_object (builder);
  g_variant_iter_init (&iter, self->stats);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      if (g_strv_contains (rewritten, key))
        continue;
      json_builder_set_member_name (builder, key);
      json_builder_add_value (builder, json_gvariant_serialize (value));
    }
  /* `live` is whether its producer lives in what `list` prints. */
  if (g_variant_lookup (self->stats, "live", "b", &live_input))
    {
      json_builder_set_member_name (builder, "live-input");
      json_builder_add_boolean_value (builder, live_input);
    }
  json_add_number (builder, "latest", self->latest);
  json_add_string (builder, "epoch", epoch); /* 64 bits: more than a JSON number keeps */
  if (self->format != NULL)
    {
      g_autofree char *text = shmframe_format_to_string (self->format);

      json_add_string (builder, "format-text", text);
    }
  add_slot_table (builder, self);
  json_builder_set_member_name (builder, "consumers");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->consumers->len; i++)
    add_consumer (builder, self, self->consumers->pdata[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  print_json (builder);
}

/* ---- the command --------------------------------------------------------------------------- */

int
command_show (int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry options[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON; times in ns, sizes in bytes", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (PoolView) view = NULL;
  g_autoptr (GError) error = NULL;

  if (!parse_options (&argc, &argv, options, "POOL",
                      "Shows a pool: its format, its slots and who holds them, its consumers."))
    return EXIT_USAGE;
  view = pool_view_new (argv[1], ANSWER_TIMEOUT_NS, &error);
  if (view == NULL)
    {
      complain ("%s", error->message);
      return EXIT_FAILED;
    }
  if (json)
    {
      print_view_json (view);
      return EXIT_OK;
    }
  print_numbers (view);
  print_slots (view);
  print_consumers (view);
  return EXIT_OK;
}
