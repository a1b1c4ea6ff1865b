/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <shmframe/macros.h>

G_BEGIN_DECLS

/**
 * ShmFrameFormat:
 *
 * What the bytes of a frame mean: media type, pixel format (by its libavutil name), size in pixels,
 * planes (stride and offset in bytes), colour (ITU-T H.273 code points), frame rate, pixel aspect and
 * interlacing. A GStreamer producer adds its caps string.
 *
 * A reference-counted boxed type. It is built by one thread with the setters and never changed after
 * it was given to a producer or came from a consumer; then any thread may read it.
 *
 * Since: 1.0
 */
typedef struct _ShmFrameFormat ShmFrameFormat;

#define SHMFRAME_TYPE_FORMAT (shmframe_format_get_type ())

/**
 * SHMFRAME_FORMAT_MAX_SIZE:
 *
 * The most pixels in width and in height.
 *
 * Since: 1.0
 */
#define SHMFRAME_FORMAT_MAX_SIZE 32768
/**
 * SHMFRAME_FORMAT_MAX_PLANES:
 *
 * The most planes.
 *
 * Since: 1.0
 */
#define SHMFRAME_FORMAT_MAX_PLANES 4
/**
 * SHMFRAME_FORMAT_MAX_CAPS:
 *
 * The longest caps string, in bytes.
 *
 * Since: 1.0
 */
#define SHMFRAME_FORMAT_MAX_CAPS 16384

SHMFRAME_API GType shmframe_format_get_type (void) G_GNUC_CONST;

/* Raw video of a libavutil pixel format. Strides are aligned to 64 bytes, planes follow each other.
 * Errors: SHMFRAME_ERROR_FORMAT. */
SHMFRAME_API ShmFrameFormat *shmframe_format_new (const char *pixel_format, guint width,
                                                  guint height, GError **error);
/* Raw video whose pixel format only the producer's framework knows (see set_caps); one plane of
 * `size` bytes unless set_planes() says otherwise. */
SHMFRAME_API ShmFrameFormat *shmframe_format_new_opaque (guint width, guint height, gsize size,
                                                         GError **error);
/* Frames of variable size, such as "image/jpeg" or "video/x-h264"; max_size bytes at most. */
SHMFRAME_API ShmFrameFormat *shmframe_format_new_compressed (const char *media_type, guint width,
                                                             guint height, gsize max_size,
                                                             GError **error);
SHMFRAME_API ShmFrameFormat *shmframe_format_ref (ShmFrameFormat *self);
SHMFRAME_API void shmframe_format_unref (ShmFrameFormat *self);
SHMFRAME_API ShmFrameFormat *shmframe_format_copy (const ShmFrameFormat *self);
SHMFRAME_API gboolean shmframe_format_equal (const ShmFrameFormat *a, const ShmFrameFormat *b);

SHMFRAME_API gboolean shmframe_format_set_planes (ShmFrameFormat *self, guint n_planes,
                                                  const gsize *offsets, const gint *strides,
                                                  gsize size, GError **error);
SHMFRAME_API void shmframe_format_set_colour (ShmFrameFormat *self, guint primaries,
                                              guint transfer, guint matrix, gboolean full_range);
SHMFRAME_API void shmframe_format_set_frame_rate (ShmFrameFormat *self, gint numerator,
                                                  gint denominator);
SHMFRAME_API void shmframe_format_set_pixel_aspect (ShmFrameFormat *self, gint numerator,
                                                    gint denominator);
SHMFRAME_API void shmframe_format_set_interlacing (ShmFrameFormat *self, const char *mode);
SHMFRAME_API gboolean shmframe_format_set_caps (ShmFrameFormat *self, const char *caps,
                                                GError **error);

SHMFRAME_API const char *shmframe_format_get_media_type (const ShmFrameFormat *self);
SHMFRAME_API gboolean shmframe_format_is_raw (const ShmFrameFormat *self);
SHMFRAME_API const char *shmframe_format_get_pixel_format (const ShmFrameFormat *self);
SHMFRAME_API guint shmframe_format_get_width (const ShmFrameFormat *self);
SHMFRAME_API guint shmframe_format_get_height (const ShmFrameFormat *self);
SHMFRAME_API guint shmframe_format_get_n_planes (const ShmFrameFormat *self);
SHMFRAME_API gint shmframe_format_get_stride (const ShmFrameFormat *self, guint plane);
SHMFRAME_API gsize shmframe_format_get_offset (const ShmFrameFormat *self, guint plane);
SHMFRAME_API gsize shmframe_format_get_size (const ShmFrameFormat *self);
SHMFRAME_API void shmframe_format_get_colour (const ShmFrameFormat *self, guint *primaries,
                                              guint *transfer, guint *matrix,
                                              gboolean *full_range);
SHMFRAME_API void shmframe_format_get_frame_rate (const ShmFrameFormat *self, gint *numerator,
                                                  gint *denominator);
SHMFRAME_API void shmframe_format_get_pixel_aspect (const ShmFrameFormat *self, gint *numerator,
                                                    gint *denominator);
SHMFRAME_API const char *shmframe_format_get_interlacing (const ShmFrameFormat *self);
SHMFRAME_API const char *shmframe_format_get_caps (const ShmFrameFormat *self);

/* Rows of a plane, and bytes of one row that hold pixels (stride less padding); 0 where unknown. */
SHMFRAME_API guint shmframe_format_get_rows (const ShmFrameFormat *self, guint plane);
SHMFRAME_API gsize shmframe_format_get_row_bytes (const ShmFrameFormat *self, guint plane);

SHMFRAME_API GVariant *shmframe_format_to_variant (const ShmFrameFormat *self);
SHMFRAME_API ShmFrameFormat *shmframe_format_new_from_variant (GVariant *variant, GError **error);
SHMFRAME_API char *shmframe_format_to_string (const ShmFrameFormat *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFrameFormat, shmframe_format_unref)

G_END_DECLS
