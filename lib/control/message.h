/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "abi/layout.h"

/*
 * Control messages: encode and decode, no I/O. A message is one SOCK_SEQPACKET datagram: a
 * ShmFrameMessageHeader and a serialised GVariant a{sv} (little endian, normal form). Unknown types
 * and unknown keys are ignored, so that both can be added. docs/protocol.md has the table.
 */
#define SHMFRAME_MESSAGE_MAGIC 0x4d524653u /* "SFRM" in memory */
#define SHMFRAME_MESSAGE_VERSION 1
#define SHMFRAME_MESSAGE_MAX 131072 /* bytes, header included */
#define SHMFRAME_MESSAGE_MAX_FDS 3
#define SHMFRAME_MESSAGE_MAX_TEXT 512 /* bytes of a reason or program name; longer ones are cut */
#define SHMFRAME_MESSAGE_MAX_NAME 64  /* bytes of an event's name: SHMFRAME_EVENT_MAX_NAME */

typedef struct
{
  guint32 magic;
  guint16 version;
  guint16 type;
  guint32 length; /* bytes of the body */
  guint32 n_fds;  /* descriptors that come with it */
} ShmFrameMessageHeader;

typedef enum
{
  SHMFRAME_MESSAGE_ATTACH = 1,   /* consumer -> producer */
  SHMFRAME_MESSAGE_WELCOME,      /* producer -> consumer; segment[, control page[, doorbell]] */
  SHMFRAME_MESSAGE_REFUSED,      /* producer -> consumer; the connection ends */
  SHMFRAME_MESSAGE_SEGMENT,      /* producer -> consumer; segment */
  SHMFRAME_MESSAGE_SEGMENT_SEEN, /* consumer -> producer */
  SHMFRAME_MESSAGE_EVENT,        /* producer -> consumer */
  SHMFRAME_MESSAGE_RESYNC,       /* producer -> consumer, after the sticky state was sent again */
  SHMFRAME_MESSAGE_LEASES,       /* consumer -> producer: wanted; and back: granted */
  SHMFRAME_MESSAGE_EVICTED,      /* producer -> consumer; the connection ends */
  SHMFRAME_MESSAGE_STATS,        /* observer -> producer: a question; and back: the answer */
  SHMFRAME_MESSAGE_BYE,          /* producer -> consumer: closed in order */
  SHMFRAME_MESSAGE_DETACH,       /* consumer -> producer: it only holds leases from here on */
} ShmFrameMessageType;

typedef enum
{
  SHMFRAME_ROLE_CONSUMER,
  SHMFRAME_ROLE_OBSERVER,
} ShmFrameRole;

/* One struct for all types: each uses the fields under its name. Strings and variants are owned. */
typedef struct
{
  ShmFrameMessageType type;

  /* ATTACH */
  guint role;     /* ShmFrameRole */
  guint delivery; /* ShmFrameDelivery */
  guint wait;     /* ShmFrameWait, for the statistics */
  gboolean poll;
  /* ATTACH, WELCOME (granted), LEASES */
  guint leases;
  /* ATTACH, WELCOME: program; REFUSED, EVICTED, BYE: reason */
  char *text;

  /* WELCOME, SEGMENT */
  ShmFrameLayout layout; /* WELCOME of an observer before there is a format: zeros, no descriptor */
  guint committed; /* slots committed so far: what to prefault */
  /* WELCOME */
  guint64 cookie;
  guint64 latest; /* handle at admission; SEGMENT: 0 */
  gboolean begin_latest; /* begin with it, rather than with what follows */
  guint history;
  guint window;
  guint in_flight;
  /* SEGMENT, EVENT: the frame it precedes. SEGMENT: the first sequence in the new segment */
  guint64 sequence;
  /* SEGMENT_SEEN */
  guint segment;

  /* EVENT; WELCOME, RESYNC: events pushed so far */
  guint64 number;
  /* EVENT */
  char *name;
  gboolean sticky;
  /* RESYNC: events that were not sent */
  guint64 lost;
  /* REFUSED: a ShmFrameError */
  guint code;
  /* EVENT, STATS (answer): any value; NULL in a question */
  GVariant *value;
} ShmFrameMessage;

void shmframe_message_clear (ShmFrameMessage *self); /* frees what it owns; zeroes it */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShmFrameMessage, shmframe_message_clear)

/* Header and body, ready to send. Errors: TOO_BIG (whole, event name, or nested too deeply).
 * (transfer full) */
GBytes *shmframe_message_encode (const ShmFrameMessage *self, guint n_fds, GError **error);
/* Checks everything and fills *self (zeroed by the callee) from private memory. Unknown type: TRUE
 * with self->type as it came. Errors: PROTOCOL. */
gboolean shmframe_message_decode (ShmFrameMessage *self, const void *data, gsize size,
                                  guint *n_fds, GError **error);
const char *shmframe_message_type_name (guint type);
