/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/message.h"

#include <shmframe/event.h>
#include <shmframe/shmframe.h>
#include <string.h>

G_STATIC_ASSERT (SHMFRAME_MESSAGE_MAX_NAME == SHMFRAME_EVENT_MAX_NAME);

/* A message with every field of its type set. */
static void
fill (ShmFrameMessage *message, ShmFrameMessageType type)
{
  memset (message, 0, sizeof *message);
  message->type = type;
  message->role = SHMFRAME_ROLE_OBSERVER;
  message->delivery = SHMFRAME_DELIVERY_LOSSLESS;
  message->wait = SHMFRAME_WAIT_PREDICT;
  message->poll = TRUE;
  message->begin_latest = TRUE;
  message->leases = 7;
  message->text = g_strdup ("why: \303\244");
  g_assert_true (shmframe_layout_init (&message->layout, 0xfedcba9876543210, 3, 5, 100000, 5000));
  message->committed = 4;
  message->cookie = G_MAXUINT64;
  message->latest = shmframe_handle (12, 3);
  message->history = 2;
  message->window = 3;
  message->in_flight = 1;
  message->sequence = SHMFRAME_SEQUENCE_MAX;
  message->segment = 9;
  message->number = 77;
  message->name = g_strdup ("tags");
  message->sticky = TRUE;
  message->lost = 5;
  message->code = SHMFRAME_ERROR_CLOSED;
  message->value
      = g_variant_ref_sink (g_variant_new_parsed ("{'a': <@t 1>, 'b': <('x', [1, 2])>}"));
}

static GBytes *
encode (const ShmFrameMessage *message, guint n_fds)
{
  g_autoptr (GError) error = NULL;
  GBytes *bytes = shmframe_message_encode (message, n_fds, &error);

  g_assert_no_error (error);
  return bytes;
}

static gboolean
decode (ShmFrameMessage *message, GBytes *bytes, guint *n_fds, GError **error)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  return shmframe_message_decode (message, data, size, n_fds, error);
}

static void
assert_refused (const void *data, gsize size, const char *why)
{
  g_auto (ShmFrameMessage) message = { 0 };
  g_autoptr (GError) error = NULL;
  guint n_fds;

  g_assert_false (shmframe_message_decode (&message, data, size, &n_fds, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL);
  g_assert_nonnull (strstr (error->message, why));
  g_assert_cmpuint (message.type, ==, 0);
  g_assert_null (message.text);
}

/* A header with the body of a GVariant in text form. */
static GBytes *
make (guint type, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) body = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);
  ShmFrameMessageHeader header
      = { SHMFRAME_MESSAGE_MAGIC, SHMFRAME_MESSAGE_VERSION, (guint16) type, 0, 0 };
  GByteArray *bytes = g_byte_array_new ();

  g_assert_no_error (error);
  header.length = (guint32) g_variant_get_size (body);
  g_byte_array_append (bytes, (const guint8 *) &header, sizeof header);
  g_byte_array_append (bytes, g_variant_get_data (body), header.length);
  return g_byte_array_free_to_bytes (bytes);
}

static void
assert_text_refused (guint type, const char *text, const char *why)
{
  g_autoptr (GBytes) bytes = make (type, text);

  assert_refused (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), why);
}

static void
assert_same_layout (const ShmFrameMessage *a, const ShmFrameMessage *b)
{
  g_assert_cmpmem (&a->layout, sizeof a->layout, &b->layout, sizeof b->layout);
  g_assert_cmpuint (a->committed, ==, b->committed);
}

static void
assert_same (const ShmFrameMessage *a, const ShmFrameMessage *b)
{
  switch (a->type)
    {
    case SHMFRAME_MESSAGE_ATTACH:
      g_assert_cmpuint (a->role, ==, b->role);
      g_assert_cmpuint (a->delivery, ==, b->delivery);
      g_assert_cmpuint (a->wait, ==, b->wait);
      g_assert_cmpint (a->poll, ==, b->poll);
      g_assert_cmpuint (a->leases, ==, b->leases);
      g_assert_cmpstr (a->text, ==, b->text);
      break;
    case SHMFRAME_MESSAGE_WELCOME:
      g_assert_cmpint (a->begin_latest, ==, b->begin_latest);
      assert_same_layout (a, b);
      g_assert_cmpuint (a->leases, ==, b->leases);
      g_assert_cmpuint (a->cookie, ==, b->cookie);
      g_assert_cmpuint (a->latest, ==, b->latest);
      g_assert_cmpuint (a->history, ==, b->history);
      g_assert_cmpuint (a->window, ==, b->window);
      g_assert_cmpuint (a->in_flight, ==, b->in_flight);
      g_assert_cmpuint (a->number, ==, b->number);
      g_assert_cmpstr (a->text, ==, b->text);
      break;
    case SHMFRAME_MESSAGE_SEGMENT:
      assert_same_layout (a, b);
      g_assert_cmpuint (a->sequence, ==, b->sequence);
      break;
    case SHMFRAME_MESSAGE_SEGMENT_SEEN:
      g_assert_cmpuint (a->segment, ==, b->segment);
      break;
    case SHMFRAME_MESSAGE_EVENT:
      g_assert_cmpuint (a->sequence, ==, b->sequence);
      g_assert_cmpuint (a->number, ==, b->number);
      g_assert_cmpstr (a->name, ==, b->name);
      g_assert_cmpint (a->sticky, ==, b->sticky);
      g_assert_cmpvariant (a->value, b->value);
      break;
    case SHMFRAME_MESSAGE_RESYNC:
      g_assert_cmpuint (a->number, ==, b->number);
      g_assert_cmpuint (a->lost, ==, b->lost);
      break;
    case SHMFRAME_MESSAGE_LEASES:
      g_assert_cmpuint (a->leases, ==, b->leases);
      break;
    case SHMFRAME_MESSAGE_REFUSED:
      g_assert_cmpuint (a->code, ==, b->code);
      g_assert_cmpstr (a->text, ==, b->text);
      break;
    case SHMFRAME_MESSAGE_EVICTED:
    case SHMFRAME_MESSAGE_BYE:
      g_assert_cmpstr (a->text, ==, b->text);
      break;
    case SHMFRAME_MESSAGE_STATS:
      g_assert_cmpvariant (a->value, b->value);
      break;
    case SHMFRAME_MESSAGE_DETACH:
      break;
    default:
      g_assert_not_reached ();
    }
}

static void
test_round_trip (void)
{
  for (guint type = SHMFRAME_MESSAGE_ATTACH; type <= SHMFRAME_MESSAGE_DETACH; type++)
    {
      g_auto (ShmFrameMessage) sent = { 0 };
      g_auto (ShmFrameMessage) got = { 0 };
      g_autoptr (GBytes) bytes = NULL;
      g_autoptr (GError) error = NULL;
      guint n_fds;

      fill (&sent, type);
      bytes = encode (&sent, 2);
      g_assert_true (decode (&got, bytes, &n_fds, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (n_fds, ==, 2);
      g_assert_cmpuint (got.type, ==, type);
      assert_same (&sent, &got);
      g_assert_cmpstr (shmframe_message_type_name (type), !=, "unknown");
    }
  g_assert_cmpstr (shmframe_message_type_name (0), ==, "unknown");
  g_assert_cmpstr (shmframe_message_type_name (SHMFRAME_MESSAGE_DETACH + 1), ==, "unknown");
}

static void
test_no_value (void)
{
  g_auto (ShmFrameMessage) sent = { .type = SHMFRAME_MESSAGE_STATS };
  g_auto (ShmFrameMessage) got = { 0 };
  g_autoptr (GBytes) bytes = encode (&sent, 0);
  guint n_fds;

  g_assert_true (decode (&got, bytes, &n_fds, NULL));
  g_assert_null (got.value);
}

/* An observer is welcome before there is a format; the lie in it is not taken over. */
static void
test_no_layout (void)
{
  g_auto (ShmFrameMessage) sent = { .type = SHMFRAME_MESSAGE_WELCOME };
  g_auto (ShmFrameMessage) got = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  ShmFrameLayout none = { 0 };
  guint n_fds;

  sent.committed = 3;
  sent.layout.payload_size = 4096;
  bytes = encode (&sent, 0);
  g_assert_true (decode (&got, bytes, &n_fds, NULL));
  g_assert_cmpmem (&got.layout, sizeof none, &none, sizeof none);
  g_assert_cmpuint (got.committed, ==, 0);
}

static void
test_text_is_cut (void)
{
  g_auto (ShmFrameMessage) sent = { .type = SHMFRAME_MESSAGE_BYE };
  g_auto (ShmFrameMessage) got = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  guint n_fds;

  /* An odd number of bytes before two-byte characters: the limit falls inside one. */
  sent.text = g_malloc0 (1024);
  sent.text[0] = 'x';
  for (int i = 1; i < 1001; i += 2)
    memcpy (sent.text + i, "\303\244", 2);
  bytes = encode (&sent, 0);
  g_assert_true (decode (&got, bytes, &n_fds, NULL));
  g_assert_cmpuint (strlen (got.text), ==, SHMFRAME_MESSAGE_MAX_TEXT - 1);
  g_assert_true (g_str_has_prefix (sent.text, got.text));

  shmframe_message_clear (&got);
  g_clear_pointer (&bytes, g_bytes_unref);
  strcpy (sent.text, "not \377 UTF-8");
  bytes = encode (&sent, 0);
  g_assert_true (decode (&got, bytes, &n_fds, NULL));
  g_assert_cmpstr (got.text, ==, "not \357\277\275 UTF-8");
}

static void
assert_too_big (const ShmFrameMessage *message, const char *why)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shmframe_message_encode (message, 0, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG);
  g_assert_nonnull (strstr (error->message, why));
}

static void
test_too_big (void)
{
  g_auto (ShmFrameMessage) message = { .type = SHMFRAME_MESSAGE_EVENT };
  g_autofree char *big = g_strnfill (SHMFRAME_MESSAGE_MAX, 'x');

  message.name = g_strdup ("n");
  message.value = g_variant_ref_sink (g_variant_new_string (big));
  assert_too_big (&message, "smaller value");

  g_variant_unref (message.value);
  message.value = g_variant_ref_sink (g_variant_new_boolean (TRUE));
  for (int i = 0; i < 200; i++)
    {
      g_autoptr (GVariant) inner = message.value;

      message.value = g_variant_ref_sink (g_variant_new_variant (inner));
    }
  assert_too_big (&message, "nested");

  g_free (message.name);
  message.name = g_strnfill (SHMFRAME_MESSAGE_MAX_NAME + 1, 'n');
  assert_too_big (&message, "65 bytes");
}

static void
test_unknown (void)
{
  g_auto (ShmFrameMessage) message = { 0 };
  g_autoptr (GBytes) unknown_type = make (4711, "{'a': <1>}");
  g_autoptr (GBytes) unknown_key
      = make (SHMFRAME_MESSAGE_SEGMENT_SEEN, "{'new': <'?'>, 'segment': <@u 3>}");
  guint n_fds;

  g_assert_true (decode (&message, unknown_type, &n_fds, NULL));
  g_assert_cmpuint (message.type, ==, 4711);
  g_assert_true (decode (&message, unknown_key, &n_fds, NULL));
  g_assert_cmpuint (message.segment, ==, 3);
}

static void
test_bad_header (void)
{
  g_auto (ShmFrameMessage) sent = { .type = SHMFRAME_MESSAGE_STATS };
  g_autoptr (GBytes) bytes = NULL;
  ShmFrameMessageHeader right, header;
  g_autofree guint8 *data = NULL;
  g_autofree guint8 *big = g_malloc0 (SHMFRAME_MESSAGE_MAX + 1);
  gsize size;

  fill (&sent, SHMFRAME_MESSAGE_STATS);
  bytes = encode (&sent, 0);
  data = g_bytes_unref_to_data (g_steal_pointer (&bytes), &size);
  memcpy (&right, data, sizeof right);
  assert_refused (data, 0, "0 bytes");
  assert_refused (data, sizeof right - 1, "15 bytes");
  assert_refused (data, size - 1, "says");
  memcpy (big, data, size);
  assert_refused (big, size + 1, "says");
  assert_refused (big, SHMFRAME_MESSAGE_MAX + 1, G_STRINGIFY (SHMFRAME_MESSAGE_MAX));

  header = right;
  header.magic ^= 1;
  memcpy (data, &header, sizeof header);
  assert_refused (data, size, "magic");
  header = right;
  header.version = 2;
  memcpy (data, &header, sizeof header);
  assert_refused (data, size, "version 2");
  header = right;
  header.n_fds = SHMFRAME_MESSAGE_MAX_FDS + 1;
  memcpy (data, &header, sizeof header);
  assert_refused (data, size, "4 descriptors");
  header = right;
  header.length = G_MAXUINT32;
  memcpy (data, &header, sizeof header);
  assert_refused (data, size, "says 4294967295");
}

/* A body that is not in normal form would read as an empty dictionary. */
static void
test_malformed_body (void)
{
  ShmFrameMessageHeader header
      = { SHMFRAME_MESSAGE_MAGIC, SHMFRAME_MESSAGE_VERSION, SHMFRAME_MESSAGE_STATS, 8, 0 };
  guint8 data[sizeof header + 8];

  memset (data, 0xee, sizeof data);
  memcpy (data, &header, sizeof header);
  assert_refused (data, sizeof data, "malformed");
}

#define LAYOUT "'epoch': <@t 1>, 'segment': <@u 1>, 'committed': <@u 1>, 'sequence': <@t 1>, "

static void
test_bad_fields (void)
{
  g_autofree char *long_text = g_strnfill (SHMFRAME_MESSAGE_MAX_TEXT + 1, 'x');
  g_autofree char *long_bye = g_strdup_printf ("{'reason': <'%s'>}", long_text);

  assert_text_refused (SHMFRAME_MESSAGE_SEGMENT_SEEN, "{}", "lacks \"segment\"");
  assert_text_refused (SHMFRAME_MESSAGE_SEGMENT_SEEN, "{'segment': <@t 1>}", "another type");
  assert_text_refused (SHMFRAME_MESSAGE_SEGMENT_SEEN, "{'segment': <'1'>}", "another type");
  assert_text_refused (SHMFRAME_MESSAGE_LEASES, "{'leases': <@u 256>}", "more than 255");
  assert_text_refused (SHMFRAME_MESSAGE_REFUSED, "{'reason': <''>, 'code': <@u 99>}", "\"code\"");
  assert_text_refused (SHMFRAME_MESSAGE_BYE, long_bye, "\"reason\" of 513");
  assert_text_refused (SHMFRAME_MESSAGE_ATTACH, "{'role': <@u 2>}", "\"role\" of 2");
  assert_text_refused (SHMFRAME_MESSAGE_ATTACH, "{'role': <@u 0>, 'delivery': <@u 3>}",
                       "\"delivery\" of 3");
  assert_text_refused (SHMFRAME_MESSAGE_ATTACH,
                       "{'role': <@u 0>, 'delivery': <@u 0>, 'wait': <@u 3>}", "\"wait\" of 3");
  assert_text_refused (SHMFRAME_MESSAGE_EVENT,
                       "{'sequence': <@t 1>, 'number': <@t 1>, 'name': <''>, 'sticky': <false>}",
                       "no name");
  assert_text_refused (SHMFRAME_MESSAGE_EVENT, "{'sequence': <@t 281474976710656>}",
                       "\"sequence\"");
}

/* Layouts that cannot be: zero or too many slots, odd sizes, more committed than there are. */
static void
test_bad_layouts (void)
{
  const guint type = SHMFRAME_MESSAGE_SEGMENT;

  assert_text_refused (
      type, "{" LAYOUT "'slots': <@u 0>, 'payload-size': <@t 4096>, 'metadata-size': <@u 0>}",
      "can't be");
  assert_text_refused (
      type, "{" LAYOUT "'slots': <@u 16385>, 'payload-size': <@t 4096>, 'metadata-size': <@u 0>}",
      "\"slots\"");
  assert_text_refused (
      type, "{" LAYOUT "'slots': <@u 2>, 'payload-size': <@t 0>, 'metadata-size': <@u 0>}",
      "can't be");
  assert_text_refused (
      type, "{" LAYOUT "'slots': <@u 2>, 'payload-size': <@t 4097>, 'metadata-size': <@u 0>}",
      "can't be");
  assert_text_refused (type,
                       "{" LAYOUT "'slots': <@u 2>, 'payload-size': <@t 18446744073709551615>, "
                       "'metadata-size': <@u 0>}",
                       "\"payload-size\"");
  assert_text_refused (
      type, "{" LAYOUT "'slots': <@u 2>, 'payload-size': <@t 4096>, 'metadata-size': <@u 1>}",
      "can't be");
  assert_text_refused (
      type,
      "{'epoch': <@t 0>, 'segment': <@u 1>, 'committed': <@u 1>, 'sequence': <@t 1>, "
      "'slots': <@u 2>, 'payload-size': <@t 4096>, 'metadata-size': <@u 0>}",
      "can't be");
  assert_text_refused (
      type,
      "{'epoch': <@t 1>, 'segment': <@u 1>, 'committed': <@u 3>, 'sequence': <@t 1>, "
      "'slots': <@u 2>, 'payload-size': <@t 4096>, 'metadata-size': <@u 0>}",
      "committed");
}

/* Whatever is done to a valid message, it is refused or decodes to something within its limits. */
static void
test_mutations (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (20240611);

  for (guint type = SHMFRAME_MESSAGE_ATTACH; type <= SHMFRAME_MESSAGE_DETACH; type++)
    {
      g_auto (ShmFrameMessage) sent = { 0 };
      g_autoptr (GBytes) bytes = NULL;

      fill (&sent, type);
      bytes = encode (&sent, 1);
      for (int round = 0; round < 3000; round++)
        {
          g_auto (ShmFrameMessage) got = { 0 };
          g_autofree guint8 *data
              = g_memdup2 (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
          gsize size = g_bytes_get_size (bytes);
          guint32 length;
          guint n_fds;

          for (gint32 n = g_rand_int_range (rand, 1, 5); n > 0; n--)
            data[g_rand_int_range (rand, round % 2 == 0 || size == 16 ? 0 : 16, (gint32) size)]
                = (guint8) g_rand_int (rand);
          if (round % 3 == 0)
            {
              /* Cut, with a length that agrees. */
              size = (gsize) g_rand_int_range (rand, 16, (gint32) size + 1);
              length = (guint32) size - 16;
              memcpy (data + offsetof (ShmFrameMessageHeader, length), &length, sizeof length);
              data = g_realloc (data, size);
            }
          if (!shmframe_message_decode (&got, data, size, &n_fds, NULL))
            continue;
          g_assert_cmpuint (n_fds, <=, SHMFRAME_MESSAGE_MAX_FDS);
          g_assert_cmpuint (got.leases, <=, SHMFRAME_LEASES_MAX);
          g_assert_cmpuint (got.committed, <=, got.layout.slot_count);
          g_assert_true (got.text == NULL || g_utf8_validate (got.text, -1, NULL));
          if (got.value != NULL)
            g_free (g_variant_print (got.value, TRUE));
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message/round-trip", test_round_trip);
  g_test_add_func ("/message/no-value", test_no_value);
  g_test_add_func ("/message/no-layout", test_no_layout);
  g_test_add_func ("/message/text-is-cut", test_text_is_cut);
  g_test_add_func ("/message/too-big", test_too_big);
  g_test_add_func ("/message/unknown", test_unknown);
  g_test_add_func ("/message/bad-header", test_bad_header);
  g_test_add_func ("/message/malformed-body", test_malformed_body);
  g_test_add_func ("/message/bad-fields", test_bad_fields);
  g_test_add_func ("/message/bad-layouts", test_bad_layouts);
  g_test_add_func ("/message/mutations", test_mutations);
  return g_test_run ();
}
