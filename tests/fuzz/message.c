/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/message.h"

#include <shmframe/event.h>
#include <shmframe/shmframe.h>
#include <string.h>

#include "control/segment.h"
#include "fuzz.h"

/*
 * A datagram from a peer. What is refused leaves nothing behind; what is accepted keeps the limits of
 * message.h, and the same message can be sent again.
 */

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_init ();
  return 0;
}

gsize
LLVMFuzzerCustomMutator (guint8 *data, gsize size, gsize max_size, unsigned seed)
{
  ShmFrameMessageHeader header;

  if (size < sizeof header || seed % 16 == 0)
    return LLVMFuzzerMutate (data, size, max_size);
  if (seed % 16 == 1)
    LLVMFuzzerMutate (data, sizeof header, sizeof header);
  memcpy (&header, data, sizeof header);
  size = fuzz_mutate_vardict (data + sizeof header, size - sizeof header, max_size - sizeof header,
                              seed / 16);
  header.length = (guint32) size;
  memcpy (data, &header, sizeof header);
  return size + sizeof header;
}

static void
assert_text (const char *text, gsize max)
{
  g_assert_nonnull (text);
  g_assert_cmpuint (strlen (text), <=, max);
  g_assert_true (g_utf8_validate (text, -1, NULL));
  for (const char *c = text; *c; c++)
    g_assert_false (g_ascii_iscntrl (*c));
}

static void
assert_layout (const ShmFrameMessage *message)
{
  ShmFrameLayout none = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (message->committed, <=, message->layout.slot_count);
  if (message->type == SHMFRAME_MESSAGE_WELCOME && message->layout.slot_count == 0)
    g_assert_cmpmem (&message->layout, sizeof none, &none, sizeof none);
  else
    g_assert_true (shmframe_segment_check_layout (&message->layout, &error));
}

static void
assert_limits (const ShmFrameMessage *message)
{
  g_assert_cmpuint (message->leases, <=, SHMFRAME_LEASES_MAX);
  g_assert_cmpuint (message->sequence, <=, SHMFRAME_SEQUENCE_MAX);
  switch (message->type)
    {
    case SHMFRAME_MESSAGE_ATTACH:
      g_assert_cmpuint (message->role, <=, SHMFRAME_ROLE_OBSERVER);
      g_assert_cmpuint (message->delivery, <=, SHMFRAME_DELIVERY_LOSSLESS);
      g_assert_cmpuint (message->wait, <=, SHMFRAME_WAIT_PREDICT);
      g_assert_true (message->poll == TRUE || message->poll == FALSE);
      assert_text (message->text, SHMFRAME_MESSAGE_MAX_TEXT);
      break;
    case SHMFRAME_MESSAGE_WELCOME:
      g_assert_cmpuint (message->history, <=, SHMFRAME_SLOTS_MAX);
      g_assert_cmpuint (message->window, <=, SHMFRAME_SLOTS_MAX);
      g_assert_cmpuint (message->in_flight, <=, SHMFRAME_SLOTS_MAX);
      assert_text (message->text, SHMFRAME_MESSAGE_MAX_TEXT);
      assert_layout (message);
      break;
    case SHMFRAME_MESSAGE_SEGMENT:
      assert_layout (message);
      break;
    case SHMFRAME_MESSAGE_EVENT:
      g_assert_cmpuint (strlen (message->name), >, 0);
      assert_text (message->name, SHMFRAME_EVENT_MAX_NAME);
      break;
    case SHMFRAME_MESSAGE_REFUSED:
      g_assert_cmpuint (message->code, <=, SHMFRAME_ERROR_CLOSED);
      assert_text (message->text, SHMFRAME_MESSAGE_MAX_TEXT);
      break;
    case SHMFRAME_MESSAGE_EVICTED:
    case SHMFRAME_MESSAGE_BYE:
      assert_text (message->text, SHMFRAME_MESSAGE_MAX_TEXT);
      break;
    default:
      break;
    }
  if (message->value)
    fuzz_read_variant (message->value);
}

static GBytes *
encode (const ShmFrameMessage *message, guint n_fds)
{
  g_autoptr (GError) error = NULL;
  GBytes *bytes = shmframe_message_encode (message, n_fds, &error);

  g_assert_no_error (error);
  return bytes;
}

/* Encoding has every field of the type: equal bytes are equal messages. */
static void
assert_round_trip (const ShmFrameMessage *message, guint n_fds)
{
  g_auto (ShmFrameMessage) again = { 0 };
  g_autoptr (GBytes) first = encode (message, n_fds);
  g_autoptr (GBytes) second = NULL;
  g_autoptr (GError) error = NULL;
  guint fds;

  g_assert_true (shmframe_message_decode (&again, g_bytes_get_data (first, NULL),
                                          g_bytes_get_size (first), &fds, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fds, ==, n_fds);
  g_assert_cmpuint (again.type, ==, message->type);
  g_assert_cmpstr (again.text, ==, message->text);
  g_assert_cmpstr (again.name, ==, message->name);
  g_assert_cmpmem (&again.layout, sizeof again.layout, &message->layout, sizeof message->layout);
  g_assert_true (again.value == message->value || g_variant_equal (again.value, message->value));
  second = encode (&again, n_fds);
  g_assert_true (g_bytes_equal (first, second));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_auto (ShmFrameMessage) message = { 0 };
  ShmFrameMessage none = { 0 };
  g_autoptr (GError) error = NULL;
  guint n_fds;

  if (!shmframe_message_decode (&message, data, size, &n_fds, &error))
    {
      g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      g_assert_cmpmem (&message, sizeof message, &none, sizeof none);
      return 0;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (n_fds, <=, SHMFRAME_MESSAGE_MAX_FDS);
  if (g_str_equal (shmframe_message_type_name (message.type), "unknown"))
    {
      none.type = message.type;
      g_assert_cmpmem (&message, sizeof message, &none, sizeof none);
      return 0;
    }
  assert_limits (&message);
  assert_round_trip (&message, n_fds);
  return 0;
}
