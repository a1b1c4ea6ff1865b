/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/*
 * JSON of what peers say: any text, and doubles that JSON has no number for. What comes out is JSON to
 * every parser, and harmless on a terminal: what is not printable is \uXXXX there, NaN and infinity are null.
 */

void json_add_string (JsonBuilder *builder, const char *name, const char *value); /* NULL: null */
void json_add_number (JsonBuilder *builder, const char *name, guint64 value);

/* What the builder has, on one line; frees it. (transfer full) */
char *json_line (JsonBuilder *builder);
/* Prints the same for people, on many, and frees it. */
void print_json (JsonBuilder *builder);
