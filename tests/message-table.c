/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Prints the tables of docs/protocol.md from the table by which messages are encoded and decoded, and
 * from the enumerations. docs/tables.py compares them with the document, or writes them into it. */
#include <stdio.h>

#include <shmframe/consumer.h>
#include <shmframe/error.h>
#include <shmframe/event.h>

#include "api/log.h"
#include "control/message.c" /* for its static table */

static const char *
signature (const Field *field)
{
  const GVariantType *type = field_type (field);

  return type != NULL ? g_variant_type_peek_string (type) : "v?";
}

static void
print_limit (const Field *field)
{
  if (field->kind == FIELD_STRING)
    printf ("%" G_GUINT64_FORMAT " bytes", field->max);
  else if (field->kind == FIELD_U32 && field->max < G_MAXUINT32)
    printf ("%" G_GUINT64_FORMAT, field->max);
  else if (field->kind == FIELD_U64 && field->max < G_MAXUINT64)
    printf ("0x%" G_GINT64_MODIFIER "x", field->max);
}

static void
print_keys (void)
{
  printf ("\n| message | key | type | at most |\n|---|---|---|---:|\n");
  for (guint type = 1; type < G_N_ELEMENTS (type_names); type++)
    {
      guint n = 0;

      for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
        {
          if ((fields[i].types & (1u << type)) == 0)
            continue;
          printf ("| ");
          if (n++ == 0)
            printf ("%u %s ", type, type_names[type]);
          printf ("| `%s` | %s | ", fields[i].key, signature (&fields[i]));
          print_limit (&fields[i]);
          printf (" |\n");
        }
      if (n == 0)
        printf ("| %u %s | (none) | | |\n", type, type_names[type]);
    }
}

#define NUMBER(prefix, name) printf ("%s%d %s", (prefix##name) ? ", " : "", (prefix##name), #name)
#define ERROR(name) NUMBER (SHMFRAME_ERROR_, name)

static void
print_numbers (void)
{
  printf ("\n| key | numbers |\n|---|---|\n| `role` | ");
  NUMBER (SHMFRAME_ROLE_, CONSUMER);
  NUMBER (SHMFRAME_ROLE_, OBSERVER);
  printf (" |\n| `delivery` | ");
  NUMBER (SHMFRAME_DELIVERY_, LATEST);
  NUMBER (SHMFRAME_DELIVERY_, ORDERED);
  NUMBER (SHMFRAME_DELIVERY_, LOSSLESS);
  printf (" |\n| `wait` | ");
  NUMBER (SHMFRAME_WAIT_, SLEEP);
  NUMBER (SHMFRAME_WAIT_, SPIN);
  NUMBER (SHMFRAME_WAIT_, PREDICT);
  printf (" |\n| `code` | ");
  ERROR (FAILED);
  ERROR (NAME);
  ERROR (NAME_IN_USE);
  ERROR (NOT_FOUND);
  ERROR (PERMISSION);
  ERROR (FORMAT);
  ERROR (ARGUMENT);
  ERROR (NO_MEMORY);
  ERROR (NO_DESCRIPTORS);
  ERROR (NO_SLOT);
  ERROR (QUOTA);
  ERROR (REFUSED);
  ERROR (EVICTED);
  ERROR (TOO_BIG);
  ERROR (PROTOCOL);
  ERROR (TIMED_OUT);
  ERROR (FLUSHING);
  ERROR (CLOSED);
  printf (" |\n");
}

static void
print_limits (void)
{
  printf ("\n| what | limit | beyond it |\n|---|---|---|\n");
  printf ("| message | %d bytes with header | the connection ends |\n", SHMFRAME_MESSAGE_MAX);
  printf ("| descriptors of a message | %d | the connection ends |\n", SHMFRAME_MESSAGE_MAX_FDS);
  printf ("| `reason`, `program` | %d bytes | cut by the sender |\n", SHMFRAME_MESSAGE_MAX_TEXT);
  printf ("| event's name | %d bytes | ARGUMENT for the caller |\n", SHMFRAME_EVENT_MAX_NAME);
  printf ("| event's value | %d bytes, serialised | TOO_BIG for the caller |\n",
          SHMFRAME_EVENT_MAX_SIZE);
  printf ("| sticky names of a pool, `format` among them | %d | TOO_BIG for the caller |\n",
          SHMFRAME_EVENT_MAX_STICKY);
  printf ("| events kept for slow peers | %d, and %d bytes of values | RESYNC |\n",
          SHMFRAME_LOG_RECENT, SHMFRAME_LOG_BYTES);
  printf ("| leases of a consumer | 1 to %u | 0: REFUSED; more: the connection ends |\n",
          SHMFRAME_LEASES_MAX);
}

static_assert (SHMFRAME_EVENT_MAX_NAME == SHMFRAME_MESSAGE_MAX_NAME, "one row for both");

int
main (void)
{
  print_keys ();
  print_numbers ();
  print_limits ();
  printf ("\n");
  return 0;
}
