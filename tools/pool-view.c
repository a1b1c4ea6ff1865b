/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-view.h"

/* Slot states in `slot-states` of the statistics, and in shared memory. */
enum
{
  STATS_UNCOMMITTED,
  STATS_FREE,
  STATS_WRITING,
  STATS_LIVE,
  STATS_RETIRED,
  STATS_PINNED,
};
enum
{
  SHARED_EMPTY,
  SHARED_LIVE,
  SHARED_RETIRED,
  SHARED_WRITING,
};

/* Only the producer knows what is free, uncommitted or pinned; the rest shared memory knows better. */
static const char *
merge_states (guint shared, int stats)
{
  if (stats == STATS_UNCOMMITTED && shared == SHARED_EMPTY)
    return "uncommitted";
  if (shared == SHARED_WRITING)
    return "writing";
  if (shared == SHARED_LIVE)
    return stats == STATS_PINNED ? "live, pinned" : "live";
  if (stats == STATS_PINNED)
    return "pinned";
  if (stats == STATS_WRITING)
    return "writing"; /* acquired, and not a byte written yet */
  if (stats == STATS_FREE || shared == SHARED_EMPTY)
    return "free";
  return "retired";
}

static void
clear_slot (gpointer data)
{
  g_ptr_array_unref (((SlotView *) data)->holders);
}

static void
read_slots (PoolView *self, GVariant *slots)
{
  g_autoptr (GVariant) states
      = g_variant_lookup_value (self->stats, "slot-states", G_VARIANT_TYPE_BYTESTRING);
  const guint8 *state = NULL;
  gsize n_states = 0;
  gint64 now_ns = g_get_monotonic_time () * 1000;
  GVariantIter iter;
  guint shared;
  gint64 publish_ns;
  SlotView slot;

  if (states != NULL)
    state = g_variant_get_fixed_array (states, &n_states, 1);
  g_variant_iter_init (&iter, slots);
  while (g_variant_iter_next (&iter, "(uttxtu)", &shared, &slot.generation, &slot.sequence,
                              &publish_ns, &slot.payload_size, &slot.format))
    {
      slot.state
          = merge_states (shared, self->slots->len < n_states ? state[self->slots->len] : -1);
      slot.age_ns = publish_ns >= 0 ? MAX (0, now_ns - publish_ns) : -1;
      slot.holders = g_ptr_array_new_with_free_func (g_free);
      g_array_append_val (self->slots, slot);
    }
}

/* Marks the slots that a consumer holds. A handle is sequence << 16 | slot (docs/shm-layout.md). */
static void
mark_held (PoolView *self, GVariant *consumer)
{
  g_autoptr (GVariant) handles
      = g_variant_lookup_value (consumer, "held-handles", G_VARIANT_TYPE ("at"));
  guint64 pid = lookup_number (consumer, "pid");
  gsize n_handles = 0;
  const guint64 *handle;

  if (handles == NULL)
    return;
  handle = g_variant_get_fixed_array (handles, &n_handles, sizeof *handle);
  for (gsize i = 0; i < n_handles; i++)
    {
      guint slot = handle[i] & 0xffff;

      if (slot >= self->slots->len)
        continue;
      g_ptr_array_add (
          g_array_index (self->slots, SlotView, slot).holders,
          pid != 0 ? g_strdup_printf ("%" G_GUINT64_FORMAT, pid)
                   : g_strdup_printf ("#%" G_GUINT64_FORMAT, lookup_number (consumer, "id")));
    }
}

static void
read_consumers (PoolView *self)
{
  g_autoptr (GVariant) consumers
      = g_variant_lookup_value (self->stats, "consumers", G_VARIANT_TYPE ("aa{sv}"));
  GVariantIter iter;
  GVariant *consumer;

  if (consumers == NULL)
    return;
  g_variant_iter_init (&iter, consumers);
  while ((consumer = g_variant_iter_next_value (&iter)) != NULL)
    {
      mark_held (self, consumer);
      g_ptr_array_add (self->consumers, consumer);
    }
}

PoolView *
pool_view_look (ShmFrameObserver *observer, gint64 timeout_ns, GError **error)
{
  g_autoptr (PoolView) self = g_new0 (PoolView, 1);
  g_autoptr (GVariant) slots = NULL;
  g_autoptr (GVariant) format = NULL;

  self->slots = g_array_new (FALSE, FALSE, sizeof (SlotView));
  g_array_set_clear_func (self->slots, clear_slot);
  self->consumers = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  self->stats = shmframe_observer_query_stats (observer, timeout_ns, error);
  if (self->stats == NULL)
    return NULL;
  slots = shmframe_observer_dup_slots (observer);
  self->latest = shmframe_observer_get_latest (observer);
  format = g_variant_lookup_value (self->stats, "format", G_VARIANT_TYPE_VARDICT);
  if (format != NULL)
    self->format = shmframe_format_new_from_variant (format, NULL);
  read_slots (self, slots);
  read_consumers (self);
  return g_steal_pointer (&self);
}

PoolView *
pool_view_new (const char *pool, gint64 timeout_ns, GError **error)
{
  g_autoptr (ShmFrameObserver) observer = shmframe_observer_new (pool, timeout_ns, error);

  return observer != NULL ? pool_view_look (observer, timeout_ns, error) : NULL;
}

void
pool_view_free (PoolView *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->format, shmframe_format_unref);
  g_ptr_array_unref (self->consumers);
  g_array_unref (self->slots);
  g_clear_pointer (&self->stats, g_variant_unref);
  g_free (self);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* Written in another form below, where a word or a handle says more than its number. */
static const char *const rewritten[]
    = { "consumers", "slot-states", "latest", "epoch", "live", NULL };

static void
add_number (JsonBuilder *builder, const char *name, guint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64) value);
}

static void
add_slots (JsonBuilder *builder, const PoolView *view)
{
  json_builder_set_member_name (builder, "slot-table");
  json_builder_begin_array (builder);
  for (guint i = 0; i < view->slots->len; i++)
    {
      const SlotView *slot = &g_array_index (view->slots, SlotView, i);

      json_builder_begin_object (builder);
      add_number (builder, "slot", i);
      json_builder_set_member_name (builder, "state");
      json_builder_add_string_value (builder, slot->state);
      add_number (builder, "generation", slot->generation);
      add_number (builder, "sequence", slot->sequence);
      json_builder_set_member_name (builder, "age-ns");
      if (slot->age_ns >= 0)
        json_builder_add_int_value (builder, slot->age_ns);
      else
        json_builder_add_null_value (builder);
      add_number (builder, "payload-size", slot->payload_size);
      add_number (builder, "format", slot->format);
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
      add_number (builder, "sequence", handle >> 16);
      add_number (builder, "slot", handle & 0xffff);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_consumer (JsonBuilder *builder, GVariant *consumer)
{
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
  json_builder_end_object (builder);
}

void
pool_view_print_json (const PoolView *self)
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
  add_number (builder, "latest", self->latest);
  json_builder_set_member_name (builder, "epoch");
  json_builder_add_string_value (builder, epoch); /* 64 bits: more than a JSON number keeps */
  if (self->format != NULL)
    {
      g_autofree char *text = shmframe_format_to_string (self->format);

      json_builder_set_member_name (builder, "format-text");
      json_builder_add_string_value (builder, text);
    }
  add_slots (builder, self);
  json_builder_set_member_name (builder, "consumers");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->consumers->len; i++)
    add_consumer (builder, self->consumers->pdata[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  print_json (builder);
}
