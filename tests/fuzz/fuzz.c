/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define GROW_MAX 64 /* bytes that a leaf gains at a time, if it is not doubled */

/* GLib's own way to die of a message is a trap, which libFuzzer does not catch. */
static GLogWriterOutput
write_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  g_log_writer_standard_streams (level, fields, n_fields, NULL);
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING))
    abort ();
  return G_LOG_WRITER_HANDLED;
}

void
fuzz_init (void)
{
  g_log_set_writer_func (write_log, NULL, NULL);
}

/* ---- changing ------------------------------------------------------------------------------ */

static GVariant *mutate (GVariant *value, unsigned *seed);

static gboolean
one_in (int n, unsigned *seed)
{
  return rand_r (seed) % n == 0;
}

/* A value of a type from bytes that need not be one. (transfer full) */
static GVariant *
from_bytes (const GVariantType *type, const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GVariant) raw = g_variant_ref_sink (g_variant_new_from_bytes (type, bytes, FALSE));

  return g_variant_get_normal_form (raw);
}

static GVariant *
mutate_string (GVariant *value, unsigned *seed)
{
  gsize size;
  const char *old = g_variant_get_string (value, &size);
  g_autofree char *text = g_malloc0 (2 * size + GROW_MAX + 1);

  memcpy (text, old, size);
  if (one_in (16, seed))
    memcpy (text + size, old, size);
  else
    text[LLVMFuzzerMutate ((guint8 *) text, size, size + GROW_MAX)] = '\0';
  return g_variant_ref_sink (g_variant_new_take_string (g_utf8_make_valid (text, -1)));
}

/* A number, or an array of them. */
static GVariant *
mutate_bytes (GVariant *value, unsigned *seed)
{
  gsize size = g_variant_get_size (value);
  gboolean fixed = !g_variant_is_container (value);
  gsize max = fixed ? size : size + GROW_MAX;
  g_autofree guint8 *bytes = g_malloc0 (max + 1);

  if (size > 0)
    g_variant_store (value, bytes);
  max = LLVMFuzzerMutate (bytes, size, max);
  return from_bytes (g_variant_get_type (value), bytes, fixed ? size : max);
}

/* What a variant holds: changed, of another type, or deeper. */
static GVariant *
mutate_variant (GVariant *value, unsigned *seed)
{
  static const char *const others[]
      = { "0", "@u 1", "@t 1", "true", "''", "(0, 1)", "@at [1]", "{'a': <0>}" };
  g_autoptr (GVariant) inner = g_variant_get_variant (value);
  g_autoptr (GVariant) changed = NULL;

  if (one_in (32, seed))
    changed
        = g_variant_ref_sink (g_variant_new_parsed (others[rand_r (seed) % G_N_ELEMENTS (others)]));
  else if (one_in (32, seed))
    changed = g_variant_ref_sink (g_variant_new_variant (inner));
  else
    changed = mutate (inner, seed);
  return g_variant_ref_sink (g_variant_new_variant (changed));
}

/* One child changed; of an array perhaps one less, or one twice. */
static GVariant *
mutate_children (GVariant *value, unsigned *seed)
{
  g_autoptr (GPtrArray) children
      = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  const GVariantType *type = g_variant_get_type (value);
  gboolean array = g_variant_type_is_array (type);
  guint n = (guint) g_variant_n_children (value);
  guint which = n > 0 ? (guint) rand_r (seed) % n : 0;

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (children, g_variant_get_child_value (value, i));
  if (n == 0 && array)
    g_ptr_array_add (children, from_bytes (g_variant_type_element (type), NULL, 0));
  else if (n > 0 && array && one_in (16, seed))
    g_ptr_array_remove_index (children, which);
  else if (n > 0 && array && one_in (16, seed))
    g_ptr_array_add (children, g_variant_ref (children->pdata[which]));
  else if (n > 0)
    {
      g_autoptr (GVariant) old = NULL;

      if (g_variant_type_is_dict_entry (type))
        which = !one_in (16, seed); /* the key, seldom */
      old = children->pdata[which];
      children->pdata[which] = mutate (old, seed);
    }

  n = children->len;
  if (array)
    value = g_variant_new_array (g_variant_type_element (type), (GVariant **) children->pdata, n);
  else if (g_variant_type_is_dict_entry (type))
    value = g_variant_new_dict_entry (children->pdata[0], children->pdata[1]);
  else if (g_variant_type_is_maybe (type))
    value = g_variant_new_maybe (g_variant_type_element (type), n > 0 ? children->pdata[0] : NULL);
  else
    value = g_variant_new_tuple ((GVariant **) children->pdata, n);
  return g_variant_ref_sink (value);
}

/* (transfer full) */
static GVariant *
mutate (GVariant *value, unsigned *seed)
{
  const char *type = g_variant_get_type_string (value);

  if (type[0] == 's')
    return mutate_string (value, seed);
  if (type[0] == 'v')
    return mutate_variant (value, seed);
  if (!g_variant_is_container (value) || (type[0] == 'a' && strchr ("ybnqiuxtd", type[1])))
    return mutate_bytes (value, seed);
  return mutate_children (value, seed);
}

GVariant *
fuzz_vardict (const guint8 *data, gsize size)
{
  return from_bytes (G_VARIANT_TYPE_VARDICT, data, size);
}

gsize
fuzz_mutate_vardict (guint8 *data, gsize size, gsize max_size, unsigned seed)
{
  g_autoptr (GVariant) old = fuzz_vardict (data, size);
  g_autoptr (GVariant) changed = mutate (old, &seed);
  gsize changed_size = g_variant_get_size (changed);

  if (changed_size > max_size)
    return size;
  if (changed_size > 0)
    memcpy (data, g_variant_get_data (changed), changed_size);
  return changed_size;
}

/* ---- reading ------------------------------------------------------------------------------- */

static void
read_children (GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    g_assert_true (g_utf8_validate (g_variant_get_string (value, NULL), -1, NULL));
  if (!g_variant_is_container (value))
    return;
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      read_children (child);
    }
}

void
fuzz_read_variant (GVariant *value)
{
  g_autofree char *text = g_variant_print (value, TRUE);

  g_assert_true (g_variant_is_normal_form (value));
  g_assert_true (g_utf8_validate (text, -1, NULL));
  fuzz_read_bytes (g_variant_get_data (value), g_variant_get_size (value));
  read_children (value);
}

void
fuzz_read_bytes (const void *data, gsize size)
{
  const volatile guint8 *bytes = data;

  if (size > 0)
    g_assert_cmpint (bytes[0] + bytes[size - 1], >=, 0);
}
