/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../pool-view.h"
#include "paint.h"

/* What a slot map shows of a view: its tiles, their kinds and texts. No widget. */

/* By colour. A slot can be more: `latest`, pinned and leased at once; its words say it. */
typedef enum
{
  SLOT_FREE,
  SLOT_WRITING,
  SLOT_LIVE,
  SLOT_LATEST,
  SLOT_LEASED,
  SLOT_PINNED,
  SLOT_RETIRED,
  SLOT_UNCOMMITTED,
  N_SLOT_KINDS,
} SlotKind;

typedef struct
{
  const char *letters, *word;
  PaintHue hue;
} SlotKindLook;

extern const SlotKindLook slot_kind_looks[N_SLOT_KINDS];

#define SLOT_NONE G_MAXUINT

typedef struct
{
  guint slot; /* SLOT_NONE: all that are uncommitted */
  SlotKind kind;
} Tile;

typedef struct
{
  GArray *slots;        /* of SlotView; NULL: no pool */
  GHashTable *programs; /* of holders, fit to show */
  GArray *tiles;        /* of Tile */
  /* Leased and pinned count the `latest` one and retired ones too. */
  guint counts[N_SLOT_KINDS];
} SlotTiles;

/* How much a tile says. */
typedef enum
{
  TILE_FULL,   /* number and state, sequence and age, generation, holders */
  TILE_LARGE,  /* number and state, sequence and age, holders */
  TILE_MEDIUM, /* number and state, sequence */
  TILE_SMALL,  /* letters */
  N_TILE_SIZES,
} TileSize;

void slot_tiles_init (SlotTiles *self);
void slot_tiles_finish (SlotTiles *self);
/* Keeps a reference to the slots; NULL, NULL: no pool. */
void slot_tiles_set (SlotTiles *self, GArray *slots, GPtrArray *consumers);
/* NULL: there is no such slot. */
const SlotView *slot_tiles_get_slot (const SlotTiles *self, guint slot);
/* The index of the slot's tile. */
gboolean slot_tiles_find (const SlotTiles *self, guint slot, guint *index);

/* A tile's, in no more lines than its size has. (transfer full) */
char *slot_tiles_dup_label (const SlotTiles *self, const Tile *tile, TileSize size);
/* Everything about a slot, in lines. NULL: there is no such slot. (transfer full) */
char *slot_tiles_dup_text (const SlotTiles *self, guint slot);
/* About those that are uncommitted. (transfer full) */
char *slot_tiles_dup_uncommitted_text (const SlotTiles *self);
