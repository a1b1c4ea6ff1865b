/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paint.h"

#include "../common.h"

#define SMALL 0.9 /* of the theme's font */

static const guint32 hues[N_HUES] = {
  [HUE_GREY] = 0xa0a0a0, [HUE_ORANGE] = 0xe69f00,    [HUE_SKY] = 0x56b4e9,  [HUE_GREEN] = 0x009e73,
  [HUE_BLUE] = 0x0072b2, [HUE_VERMILION] = 0xd55e00, [HUE_PINK] = 0xcc79a7,
};

static void
unpack (guint32 rgb, GdkRGBA *colour)
{
  colour->red = (float) (rgb >> 16) / 255;
  colour->green = (float) (rgb >> 8 & 255) / 255;
  colour->blue = (float) (rgb & 255) / 255;
  colour->alpha = 1;
}

static float
lightness (const GdkRGBA *colour)
{
  return 0.2126f * colour->red + 0.7152f * colour->green + 0.0722f * colour->blue;
}

void
paint_hue (PaintHue hue, GdkRGBA *colour)
{
  unpack (hues[hue], colour);
}

void
paint_ink (PaintHue hue, GdkRGBA *colour)
{
  paint_hue (hue, colour);
  unpack (lightness (colour) > 0.42f ? 0x000000 : 0xffffff, colour);
}

void
paint_foreground (GtkWidget *widget, double alpha, GdkRGBA *colour)
{
  gtk_style_context_get_color (gtk_widget_get_style_context (widget), colour);
  colour->alpha *= (float) alpha;
}

void
paint_series (GtkWidget *widget, guint n, GdkRGBA *colour)
{
  static const guint32 on_light[] = { 0x0072b2, 0xd55e00, 0x009e73, 0xa8508a };
  static const guint32 on_dark[] = { 0x56b4e9, 0xe69f00, 0x2fd3a3, 0xcc79a7 };

  paint_foreground (widget, 1, colour);
  unpack (lightness (colour) > 0.5f ? on_dark[n % G_N_ELEMENTS (on_dark)]
                                    : on_light[n % G_N_ELEMENTS (on_light)],
          colour);
}

static void
add_attribute (PangoAttrList *attributes, PangoAttribute *attribute, guint start, guint end)
{
  attribute->start_index = start;
  attribute->end_index = end;
  pango_attr_list_insert (attributes, attribute);
}

void
paint_chip (PangoAttrList *attributes, PaintHue hue, guint start, guint end)
{
  GdkRGBA colour;

#define SIXTEEN(x) (guint16) ((x) *65535)
  paint_hue (hue, &colour);
  add_attribute (attributes,
                 pango_attr_background_new (SIXTEEN (colour.red), SIXTEEN (colour.green),
                                            SIXTEEN (colour.blue)),
                 start, end);
  paint_ink (hue, &colour);
  add_attribute (attributes,
                 pango_attr_foreground_new (SIXTEEN (colour.red), SIXTEEN (colour.green),
                                            SIXTEEN (colour.blue)),
                 start, end);
#undef SIXTEEN
}

PangoLayout *
paint_create_layout (GtkWidget *widget)
{
  PangoLayout *layout = gtk_widget_create_pango_layout (widget, NULL);
  g_autoptr (PangoAttrList) attributes = pango_attr_list_new ();

  pango_attr_list_insert (attributes, pango_attr_scale_new (SMALL));
  pango_attr_list_insert (attributes, pango_attr_font_features_new ("tnum=1"));
  pango_layout_set_attributes (layout, attributes);
  return layout;
}

void
paint_layout (GtkSnapshot *snapshot, PangoLayout *layout, const GdkRGBA *colour, double x, double y,
              double align)
{
  int width;

  pango_layout_get_pixel_size (layout, &width, NULL);
  gtk_snapshot_save (snapshot);
  gtk_snapshot_translate (snapshot,
                          &GRAPHENE_POINT_INIT ((float) (int) (x - width * align), (float) y));
  gtk_snapshot_append_layout (snapshot, layout, colour);
  gtk_snapshot_restore (snapshot);
}

char *
paint_clean (const char *text, guint most)
{
  char *clean = printable (text);

  if (g_utf8_strlen (clean, -1) > (glong) most)
    {
      g_autofree char *whole = clean;
      g_autofree char *cut = g_utf8_substring (whole, 0, most - 1);

      clean = g_strconcat (cut, "…", NULL);
    }
  return clean;
}

static gboolean
query_tooltip (GtkWidget *widget, int x, int y, gboolean keyboard, GtkTooltip *tooltip,
               gpointer data)
{
  const char *text = gtk_inscription_get_text (GTK_INSCRIPTION (widget));

  gtk_tooltip_set_text (tooltip, text);
  return text != NULL && *text != '\0';
}

void
paint_add_tooltip (GtkInscription *inscription)
{
  gtk_widget_set_has_tooltip (GTK_WIDGET (inscription), TRUE);
  g_signal_connect (inscription, "query-tooltip", G_CALLBACK (query_tooltip), NULL);
}
