/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/*
 * A way to hand frames from one process to others, as frame-bench measures it: each way is one file,
 * way-NAME.c, which defines a BenchWay (or a few that differ by `variant`) and is named in ways.c.
 *
 * The harness (cell.c, roles.c) makes the processes, paces, fills, stamps, checks and counts; a way only
 * opens, hands over and closes. Order of the calls, each process single-threaded as far as the harness
 * is concerned:
 *
 *   parent     prepare ......................................................... finish
 *   producer     (fork) open_producer | acquire publish acquire publish ... | close
 *   consumers    (fork)                 open_consumer | receive release ... | close
 *
 * open_consumer() runs while the producer is sending already: it sends until every consumer has had a
 * frame, and only afterwards is anything measured.
 *
 * What ways have in common is in frame.h, slots.h, stream.h, queue.h, ring.h, bell.h, peer-memory.h and
 * daemon.h; way.c has what any may need.
 */

typedef struct _BenchWay BenchWay;

/* What is measured: the same in every process. */
typedef struct
{
  const BenchWay *way;
  const char *format; /* GStreamer's name: "NV12", "RGBA" */
  int width, height;  /* pixels */
  gsize size;         /* bytes of a frame, a multiple of 8; planes without padding */
  int n_consumers;
  int slots;          /* of a way whose pool can be chosen; 0: its default */
  gint64 interval_ns; /* from frame to frame; 0: back to back, one in flight */
  gint64 jitter_ns;   /* each frame is early or late by up to this */
  int frames;         /* at most */
  gint64 most_ns;     /* at most, for the frames that are measured */
  gboolean touch;     /* the whole frame is written and read */
  const char *folder; /* of this cell alone, for sockets and files; it is removed afterwards */

  /* Shared by all processes: */
  gpointer area;            /* BENCH_AREA bytes, zero at first: a way's own words */
  const int *consumer_pids; /* each is set before open_consumer() */
  const int *producer_pid;  /* set before open_producer() */
} BenchCell;

#define BENCH_AREA (64 * 1024)
#define BENCH_MOST_BYTES (8LL << 30) /* of frames that a cell may need */

/* One end of a way: the producer, or one consumer. */
typedef struct
{
  const BenchCell *cell;
  gpointer link; /* what prepare() returned */
  int consumer;  /* from 0; -1: the producer */
  gpointer data; /* the way's own */

  /* Consumer: when attaching began. Set before open_consumer(), which may move it: loading libraries is
   * not attaching. */
  gint64 attach_ns;
  /* Bytes of frames that this end copied, or had the kernel or a library copy: the way adds to it wherever
   * it copies. */
  guint64 copied;
  /* Producer: of a pool that knows; set by tally(). */
  guint64 committed_slots, slot_bytes;
} BenchEnd;

struct _BenchWay
{
  const char *name;  /* "pipe": also the option's value */
  const char *title; /* "pipe: write, read" */
  int variant;       /* for ways that share their functions */
  gboolean copies;   /* each process keeps a frame of its own */
  gboolean spins;    /* the consumer keeps a core busy: no more consumers than cores */

  /* Why this cell cannot be measured, for the reader (transfer full), or NULL. May be NULL itself. */
  char *(*refuse) (const BenchCell *cell);

  /* In the parent: what the processes inherit: descriptors, mappings; daemons are started here. Returns
   * the link, passed to every end. All may be NULL; a NULL link with an error unset is no failure. */
  gpointer (*prepare) (const BenchCell *cell, GError **error);
  void (*finish) (const BenchCell *cell, gpointer link); /* ends daemons; also after failures */
  int (*daemon_pid) (gpointer link); /* its CPU time is counted too; NULL: there is none */

  gboolean (*open_producer) (BenchEnd *end, GError **error);
  gboolean (*open_consumer) (BenchEnd *end, GError **error);

  /* Memory of cell->size bytes to write the next frame into; valid until publish(). */
  gpointer (*acquire) (BenchEnd *end, GError **error);
  /* Hands it to every consumer. May wait for slow ones. */
  gboolean (*publish) (BenchEnd *end, GError **error);

  /* Waits for the next frame: cell->size bytes, valid until release(). NULL with an error. */
  gconstpointer (*receive) (BenchEnd *end, GError **error);
  /* FALSE with an error: what was read was not one frame. May be NULL. */
  gboolean (*release) (BenchEnd *end, GError **error);

  /* Brings end->copied and the pool's slots up to date just before they are read, where counting takes
   * time. May be NULL. */
  void (*tally) (BenchEnd *end);

  /* Frees end->data; also after a failed open. May be NULL. */
  void (*close) (BenchEnd *end);
};

/* Ends with NULL. */
extern const BenchWay *const bench_ways[];

/* errno as an error: "write a pipe: Broken pipe". Returns FALSE. */
gboolean bench_fail (GError **error, const char *what);

/* write() or read() of all of it; FALSE with an error also at the end of a stream. Signals are no
 * errors. Counts nothing. */
gboolean bench_write_all (int fd, gconstpointer data, gsize size, GError **error);
gboolean bench_read_all (int fd, gpointer data, gsize size, GError **error);

/* Page-aligned memory. Private memory is touched; what is shared with processes forked later is populated
 * by each of them, and not by the parent, whose share of it nobody would count. Aborts without memory.
 * Unmap with munmap(). */
gpointer bench_map (gsize size, gboolean shared);

#define BENCH_PAGE 4096
gsize bench_round_up (gsize size, gsize unit);

#define BENCH_SLOTS 3 /* by default, unless a way has a reason for others */
/* Slots of the cell's pool, of a way that has `usual` ones by default. */
guint bench_n_slots (const BenchCell *cell, guint usual);

/* For refuse(): that so much does not fit in the folder's file system, or NULL. (transfer full) */
char *bench_refuse_room (const char *folder, guint64 bytes);
