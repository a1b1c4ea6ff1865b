/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "frame.h"

/*
 * What the ways share that send a frame's bytes through a stream for each consumer: they differ in how
 * its two ends are made, and some in how they write. The functions are members of a BenchWay.
 */

#define BENCH_PIPE_BYTES (1 << 20) /* the most that an ordinary user may have */

typedef struct
{
  int read_fd, write_fd; /* -1: none yet */
} BenchPipe;

typedef struct
{
  int n;
  BenchPipe *pipes; /* by consumer */
} BenchStream;

/* Both ends, close-on-exec; on failure FALSE with an error, and what was made so far stays in `pipe`. */
typedef gboolean (*BenchMakePipe) (BenchPipe *pipe, GError **error);

/* For prepare(): the link of all processes. */
BenchStream *bench_stream_new (const BenchCell *cell, BenchMakePipe make, GError **error);
void bench_stream_finish (const BenchCell *cell, gpointer link);

/* Between ends that have a frame of their own. */
gboolean bench_stream_publish (BenchEnd *end, GError **error);
gconstpointer bench_stream_receive (BenchEnd *end, GError **error);

/* Of a BenchWay with a frame of its own at both ends: all but name, title and prepare(). */
#define BENCH_STREAM_MEMBERS                                                                       \
  .copies = TRUE, .finish = bench_stream_finish, .open_producer = bench_frame_open,                \
  .open_consumer = bench_frame_open, .acquire = bench_frame_acquire,                               \
  .publish = bench_stream_publish, .receive = bench_stream_receive, .close = bench_frame_close

/* A pipe as BenchMakePipe, of BENCH_PIPE_BYTES if the user's pipes are not too many. */
gboolean bench_stream_make_pipe (BenchPipe *pipe, GError **error);
/* A unix stream socket as BenchMakePipe, with the largest buffer that an ordinary user may have. */
gboolean bench_stream_make_unix (BenchPipe *pipe, GError **error);

/*
 * A producer whose pages streams refer to, uncopied, until consumers read them, may not write those
 * pages. No call says when they were read, but a stream holds only so much: with enough buffers in turn
 * that all frames but the oldest fill every stream, the oldest has left them once publish() returned.
 */
typedef struct
{
  char *memory; /* the buffers, one after the other, each page-aligned */
  gsize buffer_size;
  guint n, next;
  int fd; /* that the memory is of; -1: none */
} BenchBuffers;

/* As end->data, for streams that hold at most `capacity` bytes; pages of `fd`, which it owns from now on,
 * or private ones if that is -1. */
gboolean bench_buffers_open (BenchEnd *end, gsize capacity, int fd, GError **error);
/* Where in the memory the frame is that is being written. */
gsize bench_buffers_offset (const BenchBuffers *buffers);
gpointer bench_buffers_acquire (BenchEnd *end, GError **error);
/* Sends the frame that is being written to one consumer. */
typedef gboolean (*BenchSendBuffer) (int fd, const BenchBuffers *buffers, gsize size,
                                     GError **error);
gboolean bench_buffers_publish (BenchEnd *end, BenchSendBuffer send, GError **error);
/* Of both ends: a consumer has a frame of its own. */
void bench_buffers_close (BenchEnd *end);

/* Of a BenchWay with such a producer: all but name, title, prepare(), open_producer() and publish(). */
#define BENCH_BUFFERS_MEMBERS                                                                      \
  .copies = TRUE, .finish = bench_stream_finish, .open_consumer = bench_frame_open,                \
  .acquire = bench_buffers_acquire, .receive = bench_stream_receive, .close = bench_buffers_close
