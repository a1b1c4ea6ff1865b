/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * What the fuzz targets share: libFuzzer's entry points, and GVariants. A GVariant in normal form is
 * seldom left after a change of its bytes, and all else is refused at once; so these are changed by
 * the value, and put together again.
 */

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);
gsize LLVMFuzzerCustomMutator (guint8 *data, gsize size, gsize max_size, unsigned seed);
gsize LLVMFuzzerMutate (guint8 *data, gsize size, gsize max_size); /* libFuzzer's own */

/* Criticals and warnings are crashes: a peer must not be able to cause one. */
void fuzz_init (void);
void fuzz_init_gst (void);
/* Changes a serialised a{sv} of `size` bytes in place; returns its new size. */
gsize fuzz_mutate_vardict (guint8 *data, gsize size, gsize max_size, unsigned seed);
/* Whatever bytes they are, as an a{sv} in normal form. (transfer full) */
GVariant *fuzz_vardict (const guint8 *data, gsize size);
/* Reads all of a value that was accepted, as an application would: every child, and as text. */
void fuzz_read_variant (GVariant *value);
/* Reads the first and the last byte. */
void fuzz_read_bytes (const void *data, gsize size);
