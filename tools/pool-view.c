/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-view.h"

/* Slot states in `slot-states` of the statistics. */
enum
{
  STATS_UNCOMMITTED,
  STATS_FREE,
  STATS_WRITING,
  STATS_LIVE,
  STATS_RETIRED,
  STATS_PINNED,
};

const char *
slot_state_name (SlotState state, gboolean pinned)
{
  static const char *const names[] = {
    [SLOT_STATE_UNCOMMITTED] = "uncommitted", [SLOT_STATE_FREE] = "free",
    [SLOT_STATE_WRITING] = "writing",         [SLOT_STATE_LIVE] = "live",
    [SLOT_STATE_RETIRED] = "retired",
  };

  if (pinned)
    return state == SLOT_STATE_LIVE ? "live, pinned" : "pinned";
  return names[state];
}

/* Only the producer knows what is free, uncommitted or pinned; the rest shared memory knows better. */
static SlotState
merge_states (guint shared, int stats)
{
  if (stats == STATS_UNCOMMITTED && shared == SHARED_EMPTY)
    return SLOT_STATE_UNCOMMITTED;
  if (shared == SHARED_WRITING)
    return SLOT_STATE_WRITING;
  if (shared == SHARED_LIVE)
    return SLOT_STATE_LIVE;
  if (stats == STATS_PINNED)
    return SLOT_STATE_RETIRED;
  if (stats == STATS_WRITING)
    return SLOT_STATE_WRITING; /* acquired, and not a byte written yet */
  if (stats == STATS_FREE || shared == SHARED_EMPTY)
    return SLOT_STATE_FREE;
  return SLOT_STATE_RETIRED;
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
      int stats = self->slots->len < n_states ? state[self->slots->len] : -1;

      slot.state = merge_states (shared, stats);
      slot.pinned = stats == STATS_PINNED && slot.state != SLOT_STATE_WRITING;
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
  while (self->consumers->len < POOL_VIEW_CONSUMERS_MAX
         && (consumer = g_variant_iter_next_value (&iter)) != NULL)
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

gboolean
pool_view_has_ended (const PoolView *self)
{
  gboolean ended = FALSE;

  g_variant_lookup (self->stats, "ended", "b", &ended);
  return ended;
}

gint64
pool_view_holding_ns (const PoolView *self, GVariant *consumer)
{
  g_autoptr (GVariant) handles
      = g_variant_lookup_value (consumer, "held-handles", G_VARIANT_TYPE ("at"));
  gint64 oldest_ns = -1;
  gsize n_handles = 0;
  const guint64 *handle = NULL;

  if (handles != NULL)
    handle = g_variant_get_fixed_array (handles, &n_handles, sizeof *handle);
  for (gsize i = 0; i < n_handles; i++)
    {
      const SlotView *slot = NULL;

      if ((handle[i] & 0xffff) < self->slots->len)
        slot = &g_array_index (self->slots, SlotView, handle[i] & 0xffff);
      /* Shared memory is the newer: where it has another frame, this one was given back. */
      if (slot != NULL && slot->sequence == handle[i] >> 16)
        oldest_ns = MAX (oldest_ns, slot->age_ns);
    }
  return oldest_ns;
}

char *
human_hold (guint64 longest_ns, gint64 holding_ns)
{
  g_autofree char *holding = NULL;

  if (holding_ns < 0 || (guint64) holding_ns <= longest_ns)
    return human_duration ((gint64) MIN (longest_ns, G_MAXINT64));
  holding = human_duration (holding_ns);
  return g_strconcat (">", holding, NULL);
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
