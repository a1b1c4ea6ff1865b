/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture-view.h"
#include "picture-place.h"

#include <math.h>

#define NEAREST_FROM 2.0 /* from this zoom on pixels are drawn as squares */
#define MARK_FROM 8.0    /* from here on the mark surrounds its pixel, below it is a cross */
#define WHEEL_STEP 1.25

struct _ViewerPictureView
{
  GtkWidget parent;
  ViewerSession *session;
  double zoom;               /* 0: fit */
  double centre_x, centre_y; /* what is seen in the middle, in the picture's pixels */
  double pointer_x, pointer_y;
  gboolean has_pointer;
  gboolean inspects, marked; /* marked: moved by keys, so it is drawn */
  guint inspected_x, inspected_y;
  double drag_x, drag_y;
};

G_DEFINE_FINAL_TYPE (ViewerPictureView, viewer_picture_view, GTK_TYPE_WIDGET)

enum
{
  ZOOM_CHANGED,
  INSPECTED,
  N_SIGNALS,
};
static guint signals[N_SIGNALS];

/* ---- where the picture is ------------------------------------------------------------------ */

static gboolean
get_place (ViewerPictureView *self, PicturePlace *place)
{
  const Picture *picture
      = self->session != NULL ? viewer_session_get_picture (self->session) : NULL;
  GtkWidget *widget = GTK_WIDGET (self);
  const PictureRoom room = { gtk_widget_get_width (widget), gtk_widget_get_height (widget),
                             gtk_widget_get_scale_factor (widget) };

  return picture != NULL
         && picture_place_find (place, &room, picture->width, picture->height, self->zoom,
                                self->centre_x, self->centre_y);
}

/* A picture may be shown reduced; what is inspected are the frame's pixels. */
static void
get_frame_size (ViewerPictureView *self, guint *width, guint *height)
{
  ShmFrameFrame *frame = viewer_session_get_frame (self->session);
  ShmFrameFormat *format = frame != NULL ? shmframe_frame_get_format (frame) : NULL;

  *width = format != NULL ? shmframe_format_get_width (format) : 0;
  *height = format != NULL ? shmframe_format_get_height (format) : 0;
}

/* ---- drawing ------------------------------------------------------------------------------- */

/* The part of the picture that is seen, from `left` and `top` on, as cairo wants it. */
static cairo_surface_t *
make_surface (ViewerPictureView *self, guint left, guint top, guint right, guint bottom)
{
  const Picture *picture = viewer_session_get_picture (self->session);
  GdkTexture *texture = viewer_session_get_texture (self->session);
  gsize stride = (gsize) picture->width * 4;
  const guint8 *pixels = g_bytes_get_data (picture->bytes, NULL);
  cairo_surface_t *surface;

  if (picture->opaque)
    return cairo_image_surface_create_for_data ((guint8 *) pixels + top * stride + (gsize) left * 4,
                                                CAIRO_FORMAT_RGB24, (int) (right - left),
                                                (int) (bottom - top), (int) stride);
  surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, (int) picture->width,
                                        (int) picture->height);
  if (cairo_surface_status (surface) != CAIRO_STATUS_SUCCESS)
    return surface;
  gdk_texture_download (texture, cairo_image_surface_get_data (surface),
                        (gsize) cairo_image_surface_get_stride (surface));
  cairo_surface_mark_dirty (surface);
  cairo_surface_set_device_offset (surface, -(double) left, -(double) top);
  return surface;
}

/* As cairo is told; GTK 4.8 scales textures smoothly only. */
static void
draw_by_cairo (ViewerPictureView *self, GtkSnapshot *snapshot, const PicturePlace *place,
               cairo_filter_t filter)
{
  double width = gtk_widget_get_width (GTK_WIDGET (self));
  double height = gtk_widget_get_height (GTK_WIDGET (self));
  guint left = (guint) MAX (0, floor (-place->x / place->pixel));
  guint top = (guint) MAX (0, floor (-place->y / place->pixel));
  guint right = (guint) CLAMP (ceil ((width - place->x) / place->pixel), left, place->width);
  guint bottom = (guint) CLAMP (ceil ((height - place->y) / place->pixel), top, place->height);
  cairo_surface_t *surface = make_surface (self, left, top, right, bottom);
  cairo_t *cairo = gtk_snapshot_append_cairo (
      snapshot, &GRAPHENE_RECT_INIT (0, 0, (float) width, (float) height));

  cairo_translate (cairo, place->x + left * place->pixel, place->y + top * place->pixel);
  cairo_scale (cairo, place->pixel, place->pixel);
  cairo_set_source_surface (cairo, surface, 0, 0);
  cairo_pattern_set_filter (cairo_get_source (cairo), filter);
  cairo_rectangle (cairo, 0, 0, right - left, bottom - top);
  cairo_fill (cairo);
  cairo_destroy (cairo);
  cairo_surface_destroy (surface);
}

static void
draw_picture (ViewerPictureView *self, GtkSnapshot *snapshot, const PicturePlace *place,
              const graphene_rect_t *bounds)
{
  GtkNative *native = gtk_widget_get_native (GTK_WIDGET (self));
  double zoom = place->pixel * gtk_widget_get_scale_factor (GTK_WIDGET (self));
  /* Also where it is not drawn: having a texture means having been drawn. */
  GdkTexture *texture = viewer_session_get_texture (self->session);

  if (zoom >= NEAREST_FROM || zoom == 1)
    draw_by_cairo (self, snapshot, place, CAIRO_FILTER_NEAREST);
  else if (GSK_IS_CAIRO_RENDERER (gtk_native_get_renderer (native)))
    /* GTK 4.8 would convert the whole texture by way of floats: 60 ms for 1080p. */
    draw_by_cairo (self, snapshot, place, CAIRO_FILTER_BILINEAR);
  else
    gtk_snapshot_append_texture (snapshot, texture, bounds);
}

/* What shines through a picture that is not opaque. */
static void
draw_checks (GtkSnapshot *snapshot, const graphene_rect_t *bounds)
{
  const GdkRGBA dark = { 0.4f, 0.4f, 0.4f, 1 }, light = { 0.6f, 0.6f, 0.6f, 1 };

  gtk_snapshot_append_color (snapshot, &dark, bounds);
  gtk_snapshot_push_repeat (snapshot, bounds, &GRAPHENE_RECT_INIT (0, 0, 16, 16));
  gtk_snapshot_append_color (snapshot, &light, &GRAPHENE_RECT_INIT (0, 0, 8, 8));
  gtk_snapshot_append_color (snapshot, &light, &GRAPHENE_RECT_INIT (8, 8, 8, 8));
  gtk_snapshot_pop (snapshot);
}

/* Black on white, so that it is seen on any picture. */
static void
draw_outline (GtkSnapshot *snapshot, double x, double y, double width, double height)
{
  static const GdkRGBA colours[] = { { 1, 1, 1, 1 }, { 0, 0, 0, 1 } };
  GskRoundedRect outline;

  for (guint i = 0; i < G_N_ELEMENTS (colours); i++)
    {
      const GdkRGBA *c = &colours[i];
      float out = (float) (2 - i);

      gsk_rounded_rect_init_from_rect (&outline,
                                       &GRAPHENE_RECT_INIT ((float) x - out, (float) y - out,
                                                            (float) width + 2 * out,
                                                            (float) height + 2 * out),
                                       0);
      gtk_snapshot_append_border (snapshot, &outline, (float[4]){ 1, 1, 1, 1 },
                                  (GdkRGBA[4]){ *c, *c, *c, *c });
    }
}

static void
draw_mark (ViewerPictureView *self, GtkSnapshot *snapshot, const PicturePlace *place)
{
  guint frame_width, frame_height;
  double pixel = place->pixel, x, y;

  get_frame_size (self, &frame_width, &frame_height);
  if (frame_width == 0 || frame_height == 0)
    return;
  x = place->x + (self->inspected_x + 0.5) * place->width / frame_width * pixel;
  y = place->y + (self->inspected_y + 0.5) * place->height / frame_height * pixel;
  if (pixel >= MARK_FROM)
    draw_outline (snapshot, x - pixel / 2, y - pixel / 2, pixel, pixel);
  else
    draw_outline (snapshot, floor (x) - 5, floor (y) - 5, 11, 11);
}

static void
snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  ViewerPictureView *self = VIEWER_PICTURE_VIEW (widget);
  graphene_rect_t bounds;
  PicturePlace place;

  if (!get_place (self, &place))
    return;
  graphene_rect_init (&bounds, (float) place.x, (float) place.y,
                      (float) (place.width * place.pixel), (float) (place.height * place.pixel));
  if (!viewer_session_get_picture (self->session)->opaque)
    draw_checks (snapshot, &bounds);
  draw_picture (self, snapshot, &place, &bounds);
  if (self->inspects && self->marked)
    draw_mark (self, snapshot, &place);
}

/* ---- inspecting ---------------------------------------------------------------------------- */

static void
inspect (ViewerPictureView *self, gboolean inspects, guint x, guint y)
{
  if (inspects == self->inspects && x == self->inspected_x && y == self->inspected_y)
    return;
  self->inspects = inspects;
  self->inspected_x = x;
  self->inspected_y = y;
  g_signal_emit (self, signals[INSPECTED], 0);
}

static void
inspect_pointer (ViewerPictureView *self)
{
  PicturePlace place;
  guint width, height;
  double x, y;

  if (!self->has_pointer || self->marked || !get_place (self, &place))
    return;
  get_frame_size (self, &width, &height);
  x = floor (picture_place_to_pixel (self->pointer_x, place.x, place.pixel) * width / place.width);
  y = floor (picture_place_to_pixel (self->pointer_y, place.y, place.pixel) * height
             / place.height);
  if (x >= 0 && y >= 0 && x < width && y < height)
    inspect (self, TRUE, (guint) x, (guint) y);
  else
    inspect (self, FALSE, 0, 0);
}

gboolean
viewer_picture_view_get_inspected (ViewerPictureView *self, guint *x, guint *y)
{
  guint width, height;

  if (!self->inspects || self->session == NULL)
    return FALSE;
  get_frame_size (self, &width, &height);
  *x = self->inspected_x;
  *y = self->inspected_y;
  return *x < width && *y < height;
}

/* Scrolls as far as it takes for the pixel to be seen. */
static void
reveal (ViewerPictureView *self)
{
  GtkWidget *widget = GTK_WIDGET (self);
  double x, y;
  guint width, height;
  PicturePlace place;

  if (!get_place (self, &place))
    return;
  get_frame_size (self, &width, &height);
  x = (self->inspected_x + 0.5) * place.width / width;
  y = (self->inspected_y + 0.5) * place.height / height;
  self->centre_x
      = picture_place_reveal (self->centre_x, gtk_widget_get_width (widget), x, place.pixel);
  self->centre_y
      = picture_place_reveal (self->centre_y, gtk_widget_get_height (widget), y, place.pixel);
}

void
viewer_picture_view_move_inspected (ViewerPictureView *self, int x, int y)
{
  guint width, height;
  gint64 to_x, to_y;

  if (self->session == NULL)
    return;
  get_frame_size (self, &width, &height);
  if (width == 0 || height == 0)
    return;
  to_x = self->inspects ? (gint64) self->inspected_x + x : width / 2;
  to_y = self->inspects ? (gint64) self->inspected_y + y : height / 2;
  self->marked = TRUE;
  inspect (self, TRUE, (guint) CLAMP (to_x, 0, (gint64) width - 1),
           (guint) CLAMP (to_y, 0, (gint64) height - 1));
  reveal (self);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

/* ---- zoom and pan -------------------------------------------------------------------------- */

/* Keeps the centre where the picture is, so that panning back answers at once. */
static void
moved (ViewerPictureView *self)
{
  PicturePlace place;

  if (get_place (self, &place))
    {
      self->centre_x = picture_place_clamp (
          self->centre_x, gtk_widget_get_width (GTK_WIDGET (self)), place.width, place.pixel);
      self->centre_y = picture_place_clamp (
          self->centre_y, gtk_widget_get_height (GTK_WIDGET (self)), place.height, place.pixel);
    }
  inspect_pointer (self);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

double
viewer_picture_view_get_zoom (ViewerPictureView *self)
{
  PicturePlace place;

  return get_place (self, &place) ? place.pixel * gtk_widget_get_scale_factor (GTK_WIDGET (self))
                                  : self->zoom;
}

/* About a place in the widget, which stays where it is. */
static void
zoom_about (ViewerPictureView *self, double zoom, double x, double y)
{
  double pixel = zoom / gtk_widget_get_scale_factor (GTK_WIDGET (self));
  PicturePlace place;

  if (zoom > 0 && get_place (self, &place))
    {
      self->centre_x = (x - place.x) / place.pixel
                       + (gtk_widget_get_width (GTK_WIDGET (self)) / 2.0 - x) / pixel;
      self->centre_y = (y - place.y) / place.pixel
                       + (gtk_widget_get_height (GTK_WIDGET (self)) / 2.0 - y) / pixel;
    }
  self->zoom = zoom;
  moved (self);
  g_signal_emit (self, signals[ZOOM_CHANGED], 0);
}

/* About the middle; a pixel that keys have marked stays in sight. */
void
viewer_picture_view_set_zoom (ViewerPictureView *self, double zoom)
{
  zoom_about (self, zoom, gtk_widget_get_width (GTK_WIDGET (self)) / 2.0,
              gtk_widget_get_height (GTK_WIDGET (self)) / 2.0);
  if (self->inspects && self->marked)
    reveal (self);
}

void
viewer_picture_view_step_zoom (ViewerPictureView *self, int by)
{
  double now = viewer_picture_view_get_zoom (self);

  if (now > 0)
    viewer_picture_view_set_zoom (self, picture_zoom_step (now, by));
}

void
viewer_picture_view_pan (ViewerPictureView *self, double x, double y)
{
  PicturePlace place;

  if (!get_place (self, &place))
    return;
  self->centre_x += x * gtk_widget_get_width (GTK_WIDGET (self)) / place.pixel;
  self->centre_y += y * gtk_widget_get_height (GTK_WIDGET (self)) / place.pixel;
  moved (self);
}

/* ---- input --------------------------------------------------------------------------------- */

static gboolean
scrolled (GtkEventControllerScroll *controller, double x, double y, ViewerPictureView *self)
{
  double now = viewer_picture_view_get_zoom (self);

  if (now <= 0 || y == 0)
    return GDK_EVENT_PROPAGATE;
  zoom_about (self, picture_zoom_clamp (now * pow (WHEEL_STEP, -y)), self->pointer_x,
              self->pointer_y);
  return GDK_EVENT_STOP;
}

/* GTK also says that it moved where only the picture under it did. */
static void
pointer_moved (GtkEventControllerMotion *controller, double x, double y, ViewerPictureView *self)
{
  if (self->has_pointer && x == self->pointer_x && y == self->pointer_y)
    return;
  if (self->marked)
    gtk_widget_queue_draw (GTK_WIDGET (self));
  self->marked = FALSE;
  self->has_pointer = TRUE;
  self->pointer_x = x;
  self->pointer_y = y;
  inspect_pointer (self);
}

static void
pointer_left (GtkEventControllerMotion *controller, ViewerPictureView *self)
{
  self->has_pointer = FALSE;
  if (!self->marked)
    inspect (self, FALSE, 0, 0);
}

static void
drag_began (GtkGestureDrag *gesture, double x, double y, ViewerPictureView *self)
{
  gtk_widget_grab_focus (GTK_WIDGET (self));
  self->drag_x = self->centre_x;
  self->drag_y = self->centre_y;
}

static void
dragged (GtkGestureDrag *gesture, double x, double y, ViewerPictureView *self)
{
  PicturePlace place;

  if (!get_place (self, &place))
    return;
  self->centre_x = self->drag_x - x / place.pixel;
  self->centre_y = self->drag_y - y / place.pixel;
  moved (self);
}

static void
add_controllers (ViewerPictureView *self)
{
  GtkEventController *scroll
      = gtk_event_controller_scroll_new (GTK_EVENT_CONTROLLER_SCROLL_VERTICAL);
  GtkEventController *motion = gtk_event_controller_motion_new ();
  GtkGesture *drag = gtk_gesture_drag_new ();

  g_signal_connect (scroll, "scroll", G_CALLBACK (scrolled), self);
  g_signal_connect (motion, "enter", G_CALLBACK (pointer_moved), self);
  g_signal_connect (motion, "motion", G_CALLBACK (pointer_moved), self);
  g_signal_connect (motion, "leave", G_CALLBACK (pointer_left), self);
  g_signal_connect (drag, "drag-begin", G_CALLBACK (drag_began), self);
  g_signal_connect (drag, "drag-update", G_CALLBACK (dragged), self);
  gtk_widget_add_controller (GTK_WIDGET (self), scroll);
  gtk_widget_add_controller (GTK_WIDGET (self), motion);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (drag));
}

/* ---- the widget ---------------------------------------------------------------------------- */

static void
picture_changed (ViewerSession *session, ViewerPictureView *self)
{
  inspect_pointer (self);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
viewer_picture_view_set_session (ViewerPictureView *self, ViewerSession *session)
{
  if (self->session != NULL)
    g_signal_handlers_disconnect_by_data (self->session, self);
  g_set_object (&self->session, session);
  if (session != NULL)
    g_signal_connect (session, "picture", G_CALLBACK (picture_changed), self);
  self->marked = FALSE;
  inspect (self, FALSE, 0, 0);
  self->zoom = 0;
  g_signal_emit (self, signals[ZOOM_CHANGED], 0);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
dispose (GObject *object)
{
  ViewerPictureView *self = VIEWER_PICTURE_VIEW (object);

  if (self->session != NULL)
    g_signal_handlers_disconnect_by_data (self->session, self);
  g_clear_object (&self->session);
  G_OBJECT_CLASS (viewer_picture_view_parent_class)->dispose (object);
}

static void
viewer_picture_view_class_init (ViewerPictureViewClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = dispose;
  widget_class->snapshot = snapshot;
  gtk_widget_class_set_css_name (widget_class, "picture-view");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
  signals[ZOOM_CHANGED]
      = g_signal_new ("zoom-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[INSPECTED]
      = g_signal_new ("inspected", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
viewer_picture_view_init (ViewerPictureView *self)
{
  gtk_widget_set_focusable (GTK_WIDGET (self), TRUE);
  gtk_widget_set_overflow (GTK_WIDGET (self), GTK_OVERFLOW_HIDDEN);
  gtk_widget_set_hexpand (GTK_WIDGET (self), TRUE);
  gtk_widget_set_vexpand (GTK_WIDGET (self), TRUE);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, "Picture",
                                  -1);
  add_controllers (self);
}
