/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/message.h"

#include <shmframe/error.h>
#include <string.h>

static_assert (sizeof (ShmFrameMessageHeader) == 16, "sent as it is");
static_assert (offsetof (ShmFrameMessageHeader, n_fds) == 12, "sent as it is");

/* The last values of ShmFrameDelivery and ShmFrameWait, which are the API's. */
#define MAX_DELIVERY 2
#define MAX_WAIT 2

typedef enum
{
  FIELD_U32,
  FIELD_U64,
  FIELD_BOOLEAN,
  FIELD_STRING,
  FIELD_ANY, /* may be absent */
} FieldKind;

/* One key of a body: in which types, and which field of the struct it fills. All keys but those of
 * FIELD_ANY must be there. */
typedef struct
{
  guint32 types; /* bit for each ShmFrameMessageType */
  const char *key;
  FieldKind kind;
  gsize offset;
  guint64 max; /* of the number, or bytes of the string */
} Field;

#define IN(type) (1u << SHMFRAME_MESSAGE_##type)
#define AT(member) offsetof (ShmFrameMessage, member)

static const Field fields[] = {
  { IN (ATTACH), "role", FIELD_U32, AT (role), SHMFRAME_ROLE_OBSERVER },
  { IN (ATTACH), "delivery", FIELD_U32, AT (delivery), MAX_DELIVERY },
  { IN (ATTACH), "wait", FIELD_U32, AT (wait), MAX_WAIT },
  { IN (ATTACH), "poll", FIELD_BOOLEAN, AT (poll), 0 },
  { IN (ATTACH) | IN (WELCOME) | IN (LEASES), "leases", FIELD_U32, AT (leases),
    SHMFRAME_LEASES_MAX },
  { IN (ATTACH) | IN (WELCOME), "program", FIELD_STRING, AT (text), SHMFRAME_MESSAGE_MAX_TEXT },
  { IN (REFUSED) | IN (EVICTED) | IN (BYE), "reason", FIELD_STRING, AT (text),
    SHMFRAME_MESSAGE_MAX_TEXT },
  { IN (WELCOME) | IN (SEGMENT), "epoch", FIELD_U64, AT (layout.epoch), G_MAXUINT64 },
  { IN (WELCOME) | IN (SEGMENT), "segment", FIELD_U32, AT (layout.segment), G_MAXUINT32 },
  { IN (WELCOME) | IN (SEGMENT), "slots", FIELD_U32, AT (layout.slot_count), SHMFRAME_SLOTS_MAX },
  { IN (WELCOME) | IN (SEGMENT), "payload-size", FIELD_U64, AT (layout.payload_size),
    SHMFRAME_PAYLOAD_MAX },
  { IN (WELCOME) | IN (SEGMENT), "metadata-size", FIELD_U32, AT (layout.metadata_size),
    SHMFRAME_METADATA_MAX },
  { IN (WELCOME) | IN (SEGMENT), "committed", FIELD_U32, AT (committed), SHMFRAME_SLOTS_MAX },
  { IN (WELCOME), "cookie", FIELD_U64, AT (cookie), G_MAXUINT64 },
  { IN (WELCOME), "latest", FIELD_U64, AT (latest), G_MAXUINT64 },
  { IN (WELCOME), "begin-latest", FIELD_BOOLEAN, AT (begin_latest), 0 },
  { IN (WELCOME), "history", FIELD_U32, AT (history), SHMFRAME_SLOTS_MAX },
  { IN (WELCOME), "window", FIELD_U32, AT (window), SHMFRAME_SLOTS_MAX },
  { IN (WELCOME), "in-flight", FIELD_U32, AT (in_flight), SHMFRAME_SLOTS_MAX },
  { IN (SEGMENT) | IN (EVENT), "sequence", FIELD_U64, AT (sequence), SHMFRAME_SEQUENCE_MAX },
  { IN (SEGMENT_SEEN), "segment", FIELD_U32, AT (segment), G_MAXUINT32 },
  { IN (EVENT) | IN (WELCOME) | IN (RESYNC), "number", FIELD_U64, AT (number), G_MAXUINT64 },
  { IN (EVENT), "name", FIELD_STRING, AT (name), SHMFRAME_MESSAGE_MAX_NAME },
  { IN (EVENT), "sticky", FIELD_BOOLEAN, AT (sticky), 0 },
  { IN (RESYNC), "lost", FIELD_U64, AT (lost), G_MAXUINT64 },
  { IN (REFUSED), "code", FIELD_U32, AT (code), SHMFRAME_ERROR_CLOSED },
  { IN (EVENT) | IN (STATS), "value", FIELD_ANY, AT (value), 0 },
};

static const char *const type_names[] = {
  [0] = NULL,
  [SHMFRAME_MESSAGE_ATTACH] = "ATTACH",
  [SHMFRAME_MESSAGE_WELCOME] = "WELCOME",
  [SHMFRAME_MESSAGE_REFUSED] = "REFUSED",
  [SHMFRAME_MESSAGE_SEGMENT] = "SEGMENT",
  [SHMFRAME_MESSAGE_SEGMENT_SEEN] = "SEGMENT_SEEN",
  [SHMFRAME_MESSAGE_EVENT] = "EVENT",
  [SHMFRAME_MESSAGE_RESYNC] = "RESYNC",
  [SHMFRAME_MESSAGE_LEASES] = "LEASES",
  [SHMFRAME_MESSAGE_EVICTED] = "EVICTED",
  [SHMFRAME_MESSAGE_STATS] = "STATS",
  [SHMFRAME_MESSAGE_BYE] = "BYE",
  [SHMFRAME_MESSAGE_DETACH] = "DETACH",
};

static gboolean
type_is_known (guint type)
{
  return type > 0 && type < G_N_ELEMENTS (type_names);
}

const char *
shmframe_message_type_name (guint type)
{
  return type_is_known (type) ? type_names[type] : "unknown";
}

void
shmframe_message_clear (ShmFrameMessage *self)
{
  g_free (self->text);
  g_free (self->name);
  g_clear_pointer (&self->value, g_variant_unref);
  memset (self, 0, sizeof *self);
}

/* ---- encode -------------------------------------------------------------------------------- */

/* A string that a GVariant takes: valid UTF-8, of at most `max` bytes, cut between characters. */
static char *
dup_bounded (const char *text, gsize max)
{
  g_autofree char *valid = g_utf8_make_valid (text != NULL ? text : "", -1);

  if (strlen (valid) > max)
    {
      const char *end;

      valid[max] = '\0';
      g_utf8_validate (valid, -1, &end);
      return g_strndup (valid, (gsize) (end - valid));
    }
  return g_steal_pointer (&valid);
}

static GVariant *
field_to_variant (const Field *field, const ShmFrameMessage *self)
{
  const void *member = (const guint8 *) self + field->offset;

  switch (field->kind)
    {
    case FIELD_U32:
      return g_variant_new_uint32 (*(const guint32 *) member);
    case FIELD_U64:
      return g_variant_new_uint64 (*(const guint64 *) member);
    case FIELD_BOOLEAN:
      return g_variant_new_boolean (*(const gboolean *) member);
    case FIELD_STRING:
      return g_variant_new_take_string (dup_bounded (*(char *const *) member, field->max));
    case FIELD_ANY:
    default:
      return *(GVariant *const *) member;
    }
}

/* The body in normal form, or NULL where a value is nested more deeply than GVariant takes. */
static GVariant *
encode_body (const ShmFrameMessage *self)
{
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) normal = NULL;
  g_autoptr (GBytes) bytes = NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      GVariant *value;

      if ((fields[i].types & (1u << self->type)) == 0)
        continue;
      value = field_to_variant (&fields[i], self);
      if (value != NULL)
        g_variant_builder_add (&builder, "{sv}", fields[i].key, value);
    }
  body = g_variant_ref_sink (g_variant_builder_end (&builder));

  /* A value that the user gave need not be in normal form. One that was built, not parsed, is not
   * checked for its depth: only its serialised form is, as the receiver does it. */
  normal = g_variant_get_normal_form (body);
  bytes = g_variant_get_data_as_bytes (normal);
  g_clear_pointer (&body, g_variant_unref);
  body = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, bytes, FALSE));
  return g_variant_is_normal_form (body) ? g_steal_pointer (&body) : NULL;
}

GBytes *
shmframe_message_encode (const ShmFrameMessage *self, guint n_fds, GError **error)
{
  g_autoptr (GVariant) body = NULL;
  ShmFrameMessageHeader header;
  guint8 *data;
  gsize size;

  g_return_val_if_fail (type_is_known (self->type), NULL);
  g_return_val_if_fail (n_fds <= SHMFRAME_MESSAGE_MAX_FDS, NULL);

  if (self->name != NULL && strlen (self->name) > SHMFRAME_MESSAGE_MAX_NAME)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG,
                   "sending %s: the name has %" G_GSIZE_FORMAT " bytes, more than %d: shorten it",
                   type_names[self->type], strlen (self->name), SHMFRAME_MESSAGE_MAX_NAME);
      return NULL;
    }
  body = encode_body (self);
  if (body == NULL)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG,
                   "sending %s: the value is nested too deeply: send a flatter one",
                   type_names[self->type]);
      return NULL;
    }
  size = sizeof header + g_variant_get_size (body);
  if (size > SHMFRAME_MESSAGE_MAX)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG,
                   "sending %s: %" G_GSIZE_FORMAT " bytes, more than %d: send a smaller value",
                   type_names[self->type], size, SHMFRAME_MESSAGE_MAX);
      return NULL;
    }

  header.magic = SHMFRAME_MESSAGE_MAGIC;
  header.version = SHMFRAME_MESSAGE_VERSION;
  header.type = (guint16) self->type;
  header.length = (guint32) (size - sizeof header);
  header.n_fds = n_fds;
  data = g_malloc (size);
  memcpy (data, &header, sizeof header);
  g_variant_store (body, data + sizeof header);
  return g_bytes_new_take (data, size);
}

/* ---- decode -------------------------------------------------------------------------------- */

G_GNUC_PRINTF (2, 3)
static gboolean
refuse (GError **error, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
               "message from the peer: %s: use the same version of shmframe on both sides", what);
  return FALSE;
}

static gboolean
check_header (const ShmFrameMessageHeader *header, gsize size, GError **error)
{
  if (header->magic != SHMFRAME_MESSAGE_MAGIC)
    return refuse (error, "magic number 0x%08x is not shmframe's", header->magic);
  if (header->version != SHMFRAME_MESSAGE_VERSION)
    return refuse (error, "protocol version %u, but this is version %u", header->version,
                   SHMFRAME_MESSAGE_VERSION);
  if (header->length != size - sizeof *header)
    return refuse (error, "says %u bytes, but has %" G_GSIZE_FORMAT, header->length,
                   size - sizeof *header);
  if (header->n_fds > SHMFRAME_MESSAGE_MAX_FDS)
    return refuse (error, "says %u descriptors, more than %d", header->n_fds,
                   SHMFRAME_MESSAGE_MAX_FDS);
  return TRUE;
}

static const GVariantType *
field_type (const Field *field)
{
  switch (field->kind)
    {
    case FIELD_U32:
      return G_VARIANT_TYPE_UINT32;
    case FIELD_U64:
      return G_VARIANT_TYPE_UINT64;
    case FIELD_BOOLEAN:
      return G_VARIANT_TYPE_BOOLEAN;
    case FIELD_STRING:
      return G_VARIANT_TYPE_STRING;
    case FIELD_ANY:
    default:
      return NULL;
    }
}

/* A peer's text goes to logs and terminals. */
static char *
to_printable (char *text)
{
  for (char *c = text; *c; c++)
    if (g_ascii_iscntrl (*c))
      *c = '?';
  return text;
}

static gboolean
decode_field (const Field *field, GVariant *body, ShmFrameMessage *self, GError **error)
{
  const char *type_name = type_names[self->type];
  void *member = (guint8 *) self + field->offset;
  g_autoptr (GVariant) value = g_variant_lookup_value (body, field->key, field_type (field));
  guint64 measure = 0;

  if (value == NULL)
    return field->kind == FIELD_ANY
           || refuse (error, "%s lacks \"%s\", or has it with another type", type_name, field->key);
  switch (field->kind)
    {
    case FIELD_U32:
      measure = *(guint32 *) member = g_variant_get_uint32 (value);
      break;
    case FIELD_U64:
      measure = *(guint64 *) member = g_variant_get_uint64 (value);
      break;
    case FIELD_BOOLEAN:
      *(gboolean *) member = g_variant_get_boolean (value);
      break;
    case FIELD_STRING:
      {
        gsize length;
        const char *string = g_variant_get_string (value, &length);

        measure = length;
        if (length <= field->max)
          *(char **) member = to_printable (g_strndup (string, length));
        break;
      }
    case FIELD_ANY:
    default:
      *(GVariant **) member = g_steal_pointer (&value);
      break;
    }
  if (measure > field->max)
    return refuse (error, "%s has \"%s\" of %" G_GUINT64_FORMAT ", more than %" G_GUINT64_FORMAT,
                   type_name, field->key, measure, field->max);
  return TRUE;
}

/* What single fields cannot say. Of a layout only the free numbers came; the rest is computed. */
static gboolean
check_message (ShmFrameMessage *self, GError **error)
{
  /* An observer is welcome before there is a format: no segment is described then. */
  if (self->type == SHMFRAME_MESSAGE_WELCOME && self->layout.slot_count == 0)
    {
      memset (&self->layout, 0, sizeof self->layout);
      self->committed = 0;
      return TRUE;
    }
  if (self->type == SHMFRAME_MESSAGE_WELCOME || self->type == SHMFRAME_MESSAGE_SEGMENT)
    {
      ShmFrameLayout claimed = self->layout;

      if (!shmframe_layout_init (&self->layout, claimed.epoch, claimed.segment, claimed.slot_count,
                                 claimed.payload_size, claimed.metadata_size)
          || self->layout.payload_size != claimed.payload_size
          || self->layout.metadata_size != claimed.metadata_size)
        return refuse (error, "%s describes a segment that can't be", type_names[self->type]);
      if (self->committed > self->layout.slot_count)
        return refuse (error, "%s says %u slots committed of %u", type_names[self->type],
                       self->committed, self->layout.slot_count);
    }
  if (self->type == SHMFRAME_MESSAGE_EVENT && self->name[0] == '\0')
    return refuse (error, "EVENT has no name");
  return TRUE;
}

gboolean
shmframe_message_decode (ShmFrameMessage *self, const void *data, gsize size, guint *n_fds,
                         GError **error)
{
  g_auto (ShmFrameMessage) message = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) body = NULL;
  ShmFrameMessageHeader header;

  memset (self, 0, sizeof *self);
  *n_fds = 0;
  if (size < sizeof header || size > SHMFRAME_MESSAGE_MAX)
    return refuse (error, "%" G_GSIZE_FORMAT " bytes, not %" G_GSIZE_FORMAT " to %d", size,
                   sizeof header, SHMFRAME_MESSAGE_MAX);
  memcpy (&header, data, sizeof header);
  if (!check_header (&header, size, error))
    return FALSE;
  message.type = (ShmFrameMessageType) header.type;

  if (type_is_known (header.type))
    {
      /* g_memdup2() also aligns. */
      bytes = g_bytes_new_take (g_memdup2 ((const guint8 *) data + sizeof header, header.length),
                                header.length);
      body = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, bytes, FALSE));
      if (!g_variant_is_normal_form (body))
        return refuse (error, "%s has a malformed body", type_names[header.type]);
      for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
        if ((fields[i].types & (1u << header.type)) != 0
            && !decode_field (&fields[i], body, &message, error))
          return FALSE;
      if (!check_message (&message, error))
        return FALSE;
    }

  *self = message;
  memset (&message, 0, sizeof message);
  *n_fds = header.n_fds;
  return TRUE;
}
