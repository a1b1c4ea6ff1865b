/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <shmframe/shmframe.h>

/* What the commands of frame-inspect share. */

/* Exit codes. */
enum
{
  EXIT_OK = 0,
  EXIT_FAILED = 1, /* it was asked for something that is not there, or cannot be had */
  EXIT_USAGE = 2,
  EXIT_FAULTS = 3, /* check: it looked, and found faults */
};

/* How long a producer may take to answer. */
#define ANSWER_TIMEOUT_NS (G_GINT64_CONSTANT (2000) * 1000 * 1000)

/* One command: argv[0] is its name. Returns an exit code. */
typedef int (*Command) (int argc, char **argv);

int command_check (int argc, char **argv);
int command_list (int argc, char **argv);
int command_metrics (int argc, char **argv);
int command_show (int argc, char **argv);
int command_snapshot (int argc, char **argv);
int command_top (int argc, char **argv);
int command_watch (int argc, char **argv);

/* Parses a command's options. On failure it has printed why. `arguments` describes what stands after
 * them; NULL: nothing may. With it, exactly one argument must be there (where it begins with '[', one may
 * be), and is argv[1] afterwards. */
gboolean parse_options (int *argc, char ***argv, const GOptionEntry *entries, const char *arguments,
                        const char *summary);

/* "frame-inspect: ..." on standard error; control characters of a peer's text are replaced. */
void complain (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* Neither a terminal nor who reads line by line takes it for anything but a character. */
gboolean is_printable (gunichar c);
/* How many columns of a terminal it takes: 0, 1 or 2. */
guint columns_of (gunichar c);
/* Text from a peer, fit for a terminal. (transfer full) */
char *printable (const char *text);
/* "3.1 MB", "12 B". (transfer full) */
char *human_size (guint64 bytes);
/* "16.7 ms", "2.04 s"; "-" for a negative duration. (transfer full) */
char *human_duration (gint64 ns);

/* A table: rows of cells, column widths by the longest cell. Cells are taken; table_add() begins a new
 * row after the last column. Numbers (columns in `right`, a bit each) stand to the right. */
typedef struct
{
  guint columns;
  guint64 right;
  GPtrArray *cells;
} Table;

void table_init (Table *table, guint64 right, const char *const *titles); /* NULL-terminated */
void table_add (Table *table, char *cell);
void table_print (Table *table); /* and frees */

/* For qsort() of gint64. */
int compare_times (const void *a, const void *b);

/* Looks a number (u or t) or a string up in a peer's a{sv}. */
guint64 lookup_number (GVariant *dict, const char *key);     /* 0 where there is none */
const char *lookup_string (GVariant *dict, const char *key); /* the same: "" */
