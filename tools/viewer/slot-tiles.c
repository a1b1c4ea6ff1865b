/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot-tiles.h"

#define HOLDERS_MAX 16 /* named in a text; the others are counted */

const SlotKindLook slot_kind_looks[N_SLOT_KINDS] = {
  [SLOT_FREE] = { "Fr", "free", HUE_GREY },
  [SLOT_WRITING] = { "Wr", "writing", HUE_ORANGE },
  [SLOT_LIVE] = { "Li", "live", HUE_SKY },
  [SLOT_LATEST] = { "La", "latest", HUE_GREEN },
  [SLOT_LEASED] = { "Le", "leased", HUE_BLUE },
  [SLOT_PINNED] = { "Pi", "pinned", HUE_PINK },
  [SLOT_RETIRED] = { "Re", "retired", HUE_VERMILION },
  [SLOT_UNCOMMITTED] = { "Un", "uncommitted", HUE_GREY },
};

/* ---- what there is ------------------------------------------------------------------------- */

static SlotKind
slot_kind (const SlotView *slot, guint64 newest)
{
  switch (slot->state)
    {
    case SLOT_STATE_UNCOMMITTED:
      return SLOT_UNCOMMITTED;
    case SLOT_STATE_WRITING:
      return SLOT_WRITING;
    case SLOT_STATE_RETIRED:
      return slot->pinned ? SLOT_PINNED : SLOT_RETIRED;
    case SLOT_STATE_LIVE:
      break;
    case SLOT_STATE_FREE:
    default:
      return SLOT_FREE;
    }
  if (slot->sequence == newest)
    return SLOT_LATEST;
  if (slot->holders->len > 0)
    return SLOT_LEASED;
  return slot->pinned ? SLOT_PINNED : SLOT_LIVE;
}

/* The `latest` of the view may be newer than its slots. */
static guint64
newest_live (GArray *slots)
{
  guint64 newest = 0;

  for (guint i = 0; i < slots->len; i++)
    {
      const SlotView *slot = &g_array_index (slots, SlotView, i);

      if (slot->state == SLOT_STATE_LIVE)
        newest = MAX (newest, slot->sequence);
    }
  return newest;
}

static void
make_tiles (SlotTiles *self)
{
  guint64 newest = newest_live (self->slots);

  for (guint i = 0; i < self->slots->len; i++)
    {
      const SlotView *slot = &g_array_index (self->slots, SlotView, i);
      Tile tile = { i, slot_kind (slot, newest) };

      self->counts[tile.kind]++;
      if (slot->holders->len > 0 && tile.kind != SLOT_LEASED)
        self->counts[SLOT_LEASED]++;
      if (slot->pinned && tile.kind != SLOT_PINNED)
        self->counts[SLOT_PINNED]++;
      if (tile.kind != SLOT_UNCOMMITTED)
        g_array_append_val (self->tiles, tile);
    }
  if (self->counts[SLOT_UNCOMMITTED] > 0)
    g_array_append_val (self->tiles, ((Tile){ SLOT_NONE, SLOT_UNCOMMITTED }));
}

/* By what SlotView.holders has: the pid, or "#ID". */
static void
read_programs (SlotTiles *self, GPtrArray *consumers)
{
  for (guint i = 0; i < consumers->len; i++)
    {
      GVariant *consumer = consumers->pdata[i];
      guint64 pid = lookup_number (consumer, "pid");
      char *key = pid != 0
                      ? g_strdup_printf ("%" G_GUINT64_FORMAT, pid)
                      : g_strdup_printf ("#%" G_GUINT64_FORMAT, lookup_number (consumer, "id"));

      g_hash_table_replace (self->programs, key,
                            paint_clean (lookup_string (consumer, "program"), 40));
    }
}

void
slot_tiles_set (SlotTiles *self, GArray *slots, GPtrArray *consumers)
{
  if (slots != NULL)
    g_array_ref (slots);
  g_clear_pointer (&self->slots, g_array_unref);
  self->slots = slots;
  g_hash_table_remove_all (self->programs);
  g_array_set_size (self->tiles, 0);
  memset (self->counts, 0, sizeof self->counts);
  if (slots != NULL)
    {
      make_tiles (self);
      read_programs (self, consumers);
    }
}

void
slot_tiles_init (SlotTiles *self)
{
  self->programs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->tiles = g_array_new (FALSE, FALSE, sizeof (Tile));
}

void
slot_tiles_finish (SlotTiles *self)
{
  g_clear_pointer (&self->slots, g_array_unref);
  g_hash_table_unref (self->programs);
  g_array_unref (self->tiles);
}

const SlotView *
slot_tiles_get_slot (const SlotTiles *self, guint slot)
{
  return self->slots != NULL && slot < self->slots->len
             ? &g_array_index (self->slots, SlotView, slot)
             : NULL;
}

gboolean
slot_tiles_find (const SlotTiles *self, guint slot, guint *index)
{
  if (slot_tiles_get_slot (self, slot) == NULL)
    return FALSE;
  for (guint i = 0; i < self->tiles->len; i++)
    {
      guint own = g_array_index (self->tiles, Tile, i).slot;

      if (own == slot || own == SLOT_NONE)
        {
          *index = i;
          return TRUE;
        }
    }
  return FALSE;
}

/* ---- texts --------------------------------------------------------------------------------- */

/* "latest, pinned, leased" */
static void
append_words (GString *text, const SlotView *slot, SlotKind kind)
{
  if (kind == SLOT_LATEST)
    g_string_append (text, slot->pinned ? "latest, pinned" : "latest");
  else
    g_string_append (text, slot_state_name (slot->state, slot->pinned));
  if (slot->holders->len > 0)
    g_string_append (text, ", leased");
}

static void
append_holders (const SlotTiles *self, GString *text, const SlotView *slot)
{
  for (guint i = 0; i < MIN (slot->holders->len, HOLDERS_MAX); i++)
    {
      const char *holder = slot->holders->pdata[i];
      const char *program = g_hash_table_lookup (self->programs, holder);

      g_string_append_printf (text, "%s%s%s%s", i > 0 ? ", " : "", program != NULL ? program : "",
                              program != NULL ? " " : "", holder);
    }
  if (slot->holders->len > HOLDERS_MAX)
    g_string_append_printf (text, " and %u more", slot->holders->len - HOLDERS_MAX);
}

char *
slot_tiles_dup_uncommitted_text (const SlotTiles *self)
{
  return g_strdup_printf ("%u slots uncommitted\nThey get memory when consumers are admitted that "
                          "need them.",
                          self->counts[SLOT_UNCOMMITTED]);
}

char *
slot_tiles_dup_text (const SlotTiles *self, guint number)
{
  const SlotView *slot = slot_tiles_get_slot (self, number);
  g_autofree char *age = slot != NULL ? human_duration (slot->age_ns) : NULL;
  g_autofree char *size = slot != NULL ? human_size (slot->payload_size) : NULL;
  GString *text;

  if (slot == NULL)
    return NULL;
  text = g_string_new (NULL);
  g_string_printf (text, "Slot %u: ", number);
  append_words (text, slot, slot_kind (slot, newest_live (self->slots)));
  g_string_append_printf (text,
                          "\nsequence %" G_GUINT64_FORMAT ", generation 0x%" G_GINT64_MODIFIER
                          "x\nage %s, payload %s, format %u",
                          slot->sequence, slot->generation, age, size, slot->format);
  if (slot->holders->len > 0)
    {
      g_string_append (text, "\nheld by ");
      append_holders (self, text, slot);
    }
  return g_string_free (text, FALSE);
}

char *
slot_tiles_dup_label (const SlotTiles *self, const Tile *tile, TileSize size)
{
  const SlotView *slot = slot_tiles_get_slot (self, tile->slot);
  g_autofree char *age = slot != NULL ? human_duration (slot->age_ns) : NULL;
  GString *text = g_string_new (NULL);

  if (size == TILE_SMALL)
    g_string_append (text, slot_kind_looks[tile->kind].letters);
  else if (slot == NULL)
    g_string_append_printf (text, "%u\nuncommitted", self->counts[SLOT_UNCOMMITTED]);
  else
    {
      g_string_append_printf (text, "%u ", tile->slot);
      append_words (text, slot, tile->kind);
      g_string_append_printf (text, "\n#%" G_GUINT64_FORMAT, slot->sequence);
    }
  if (size <= TILE_LARGE && slot != NULL)
    {
      g_string_append_printf (text, ", %s\n", age);
      if (size == TILE_FULL)
        g_string_append_printf (text, "gen 0x%" G_GINT64_MODIFIER "x\n", slot->generation);
      append_holders (self, text, slot);
    }
  return g_string_free (text, FALSE);
}
