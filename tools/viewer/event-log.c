/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-log.h"

#include "paint.h"

#define LINES_MAX 1000
#define KIND_MAX 20 /* characters */
#define TEXT_MAX 1000

/* ---- a line -------------------------------------------------------------------------------- */

#define VIEWER_TYPE_EVENT_LINE (viewer_event_line_get_type ())
G_DECLARE_FINAL_TYPE (ViewerEventLine, viewer_event_line, VIEWER, EVENT_LINE, GObject)

struct _ViewerEventLine
{
  GObject parent_instance;
  char *time, *kind, *sequence, *text;
};

G_DEFINE_FINAL_TYPE (ViewerEventLine, viewer_event_line, G_TYPE_OBJECT)

static void
viewer_event_line_finalize (GObject *object)
{
  ViewerEventLine *self = VIEWER_EVENT_LINE (object);

  g_free (self->time);
  g_free (self->kind);
  g_free (self->sequence);
  g_free (self->text);
  G_OBJECT_CLASS (viewer_event_line_parent_class)->finalize (object);
}

static void
viewer_event_line_class_init (ViewerEventLineClass *class)
{
  G_OBJECT_CLASS (class)->finalize = viewer_event_line_finalize;
}

static void
viewer_event_line_init (ViewerEventLine *self)
{
}

static PaintHue
kind_hue (const char *kind)
{
  static const char *const broken[] = { "freeze", "tear", NULL };
  static const char *const disturbed[] = { "duplicate", "gap", "backwards", "late", NULL };

  if (g_strv_contains (broken, kind))
    return HUE_VERMILION;
  if (g_strv_contains (disturbed, kind))
    return HUE_ORANGE;
  return g_str_equal (kind, "attached") ? HUE_GREEN : HUE_GREY;
}

/* ---- the log ------------------------------------------------------------------------------- */

struct _ViewerEventLog
{
  GtkWidget parent_instance;
  GtkWidget *list;
  GtkAdjustment *adjustment; /* vertical */
  GListStore *lines;
  GtkSelectionModel *selection;
  gboolean following; /* the end is to be brought in sight */
  guint tick, ticks;  /* that do it: since the last line was added */
};

G_DEFINE_FINAL_TYPE (ViewerEventLog, viewer_event_log, GTK_TYPE_WIDGET)

static gboolean
is_at_end (ViewerEventLog *self)
{
  return gtk_adjustment_get_value (self->adjustment)
         >= gtk_adjustment_get_upper (self->adjustment)
                - gtk_adjustment_get_page_size (self->adjustment) - 1;
}

/* GTK 4.8 cannot scroll to what has no place yet, and a line gets its place in the layout after the
 * first tick; how high it is, and so where the end is, may be known one frame later. */
static gboolean
scroll_to_end (GtkWidget *widget, GdkFrameClock *clock, gpointer data)
{
  ViewerEventLog *self = VIEWER_EVENT_LOG (widget);

  if (++self->ticks > 1)
    gtk_adjustment_set_value (self->adjustment, gtk_adjustment_get_upper (self->adjustment));
  if (self->ticks < 4)
    return G_SOURCE_CONTINUE;
  self->following = FALSE;
  self->tick = 0;
  return G_SOURCE_REMOVE;
}

static void
follow (ViewerEventLog *self)
{
  self->ticks = 0;
  if (self->following && self->tick == 0 && gtk_widget_get_mapped (GTK_WIDGET (self)))
    self->tick = gtk_widget_add_tick_callback (GTK_WIDGET (self), scroll_to_end, NULL, NULL);
}

void
viewer_event_log_add (ViewerEventLog *self, const char *kind, guint64 sequence, const char *text)
{
  g_autoptr (ViewerEventLine) line = g_object_new (VIEWER_TYPE_EVENT_LINE, NULL);
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();

  g_return_if_fail (VIEWER_IS_EVENT_LOG (self));
  line->time = g_strdup_printf ("%02d:%02d:%02d.%03d", g_date_time_get_hour (now),
                                g_date_time_get_minute (now), g_date_time_get_second (now),
                                g_date_time_get_microsecond (now) / 1000);
  line->kind = paint_clean (kind, KIND_MAX);
  line->sequence
      = sequence != 0 ? g_strdup_printf ("#%" G_GUINT64_FORMAT, sequence) : g_strdup ("");
  line->text = paint_clean (text, TEXT_MAX);
  self->following |= is_at_end (self); /* before there is more */
  if (g_list_model_get_n_items (G_LIST_MODEL (self->lines)) >= LINES_MAX)
    g_list_store_remove (self->lines, 0);
  g_list_store_append (self->lines, line);
  follow (self);
}

void
viewer_event_log_clear (ViewerEventLog *self)
{
  g_return_if_fail (VIEWER_IS_EVENT_LOG (self));
  g_list_store_remove_all (self->lines);
}

static void
append_line (GString *text, const ViewerEventLine *line)
{
  g_string_append_printf (text, "%s\t%s\t%s\t%s\n", line->time, line->kind, line->sequence,
                          line->text);
}

char *
viewer_event_log_dup_text (ViewerEventLog *self, gboolean selected)
{
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->lines));
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (ViewerEventLine) line = g_list_model_get_item (G_LIST_MODEL (self->lines), i);

      if (!selected || gtk_selection_model_is_selected (self->selection, i))
        append_line (text, line);
    }
  return g_string_free (text, FALSE);
}

static gboolean
copy (GtkWidget *widget, GVariant *arguments, gpointer data)
{
  g_autofree char *text = viewer_event_log_dup_text (VIEWER_EVENT_LOG (widget), TRUE);

  if (*text != '\0')
    gdk_clipboard_set_text (gtk_widget_get_clipboard (widget), text);
  return TRUE;
}

/* ---- what shows a line --------------------------------------------------------------------- */

static GtkInscription *
add_inscription (GtkWidget *box, guint chars, double align)
{
  GtkWidget *made = gtk_inscription_new (NULL);
  g_autoptr (PangoAttrList) attributes = pango_attr_list_new ();

  pango_attr_list_insert (attributes, pango_attr_font_features_new ("tnum=1"));
  gtk_inscription_set_attributes (GTK_INSCRIPTION (made), attributes);
  gtk_inscription_set_min_chars (GTK_INSCRIPTION (made), chars);
  gtk_inscription_set_nat_chars (GTK_INSCRIPTION (made), chars);
  gtk_inscription_set_xalign (GTK_INSCRIPTION (made), (float) align);
  gtk_inscription_set_text_overflow (GTK_INSCRIPTION (made),
                                     GTK_INSCRIPTION_OVERFLOW_ELLIPSIZE_END);
  gtk_box_append (GTK_BOX (box), made);
  return GTK_INSCRIPTION (made);
}

static void
setup_line (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer data)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  GtkInscription *text;

  add_inscription (box, 11, 0);
  add_inscription (box, 18, 0);
  add_inscription (box, 9, 1);
  text = add_inscription (box, 30, 0);
  gtk_widget_set_hexpand (GTK_WIDGET (text), TRUE);
  paint_add_tooltip (text);
  gtk_list_item_set_child (item, box);
}

static void
bind_line (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer data)
{
  ViewerEventLine *line = gtk_list_item_get_item (item);
  GtkWidget *time = gtk_widget_get_first_child (gtk_list_item_get_child (item));
  GtkWidget *kind = gtk_widget_get_next_sibling (time);
  GtkWidget *sequence = gtk_widget_get_next_sibling (kind);
  GtkWidget *text = gtk_widget_get_next_sibling (sequence);
  g_autofree char *chip = g_strdup_printf ("\u00a0%s\u00a0", line->kind);
  g_autoptr (PangoAttrList) attributes = pango_attr_list_new ();

  paint_chip (attributes, kind_hue (line->kind), 0, (guint) strlen (chip));
  gtk_inscription_set_text (GTK_INSCRIPTION (time), line->time);
  gtk_inscription_set_attributes (GTK_INSCRIPTION (kind), attributes);
  gtk_inscription_set_text (GTK_INSCRIPTION (kind), chip);
  gtk_inscription_set_text (GTK_INSCRIPTION (sequence), line->sequence);
  gtk_inscription_set_text (GTK_INSCRIPTION (text), line->text);
}

/* ---- the class ----------------------------------------------------------------------------- */

static void
map (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (viewer_event_log_parent_class)->map (widget);
  follow (VIEWER_EVENT_LOG (widget));
}

static void
unmap (GtkWidget *widget)
{
  ViewerEventLog *self = VIEWER_EVENT_LOG (widget);

  if (self->tick != 0)
    gtk_widget_remove_tick_callback (widget, self->tick);
  self->tick = 0;
  GTK_WIDGET_CLASS (viewer_event_log_parent_class)->unmap (widget);
}

static void
dispose (GObject *object)
{
  ViewerEventLog *self = VIEWER_EVENT_LOG (object);
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    gtk_widget_unparent (child);
  g_clear_object (&self->selection);
  g_clear_object (&self->lines);
  G_OBJECT_CLASS (viewer_event_log_parent_class)->dispose (object);
}

static void
viewer_event_log_class_init (ViewerEventLogClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = dispose;
  widget_class->map = map;
  widget_class->unmap = unmap;
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_add_binding (widget_class, GDK_KEY_c, GDK_CONTROL_MASK, copy, NULL);
  gtk_widget_class_set_css_name (widget_class, "eventlog");
}

static void
viewer_event_log_init (ViewerEventLog *self)
{
  GtkWidget *scrolled = gtk_scrolled_window_new ();
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();

  g_signal_connect (factory, "setup", G_CALLBACK (setup_line), NULL);
  g_signal_connect (factory, "bind", G_CALLBACK (bind_line), NULL);
  self->lines = g_list_store_new (VIEWER_TYPE_EVENT_LINE);
  self->selection
      = GTK_SELECTION_MODEL (gtk_multi_selection_new (G_LIST_MODEL (g_object_ref (self->lines))));
  self->list = gtk_list_view_new (g_object_ref (self->selection), factory);
  gtk_widget_set_name (self->list, "event-log");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  "Events", -1);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scrolled), self->list);
  self->adjustment = gtk_scrolled_window_get_vadjustment (GTK_SCROLLED_WINDOW (scrolled));
  gtk_widget_set_parent (scrolled, GTK_WIDGET (self));
}

GtkWidget *
viewer_event_log_new (void)
{
  return g_object_new (VIEWER_TYPE_EVENT_LOG, NULL);
}
