/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <libsoup/soup.h>
#include <string.h>
#include <sys/socket.h>

#include "metrics.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* A request of more is cut off: none that is answered has a body. */
#define BODY_MAX (64 * 1024)
/* However many scrape, and however often: the producers are asked this often. */
#define COLLECT_EVERY_US G_USEC_PER_SEC

/* So that its closing resets the connection. After an orderly end a peer whose data fills our window waits
 * a minute for room: the kernel, which has the connection by then, does not open the window again. */
static void
cut_off (GSocket *connection)
{
  const struct linger none = { .l_onoff = 1, .l_linger = 0 };

  setsockopt (g_socket_get_fd (connection), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  g_socket_shutdown (connection, TRUE, TRUE, NULL);
}

static void
got_chunk (SoupServerMessage *message, GBytes *chunk, gpointer data)
{
  guint64 *size = data;

  *size += g_bytes_get_size (chunk);
  if (*size > BODY_MAX)
    cut_off (soup_server_message_get_socket (message));
}

static void
free_size (gpointer data, GClosure *closure)
{
  g_free (data);
}

/* Before the body: by default libsoup keeps all of it before it asks for an answer. */
static void
prepare (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
         gpointer data)
{
  soup_message_body_set_accumulate (soup_server_message_get_request_body (message), FALSE);
  g_signal_connect_data (message, "got-chunk", G_CALLBACK (got_chunk), g_new0 (guint64, 1),
                         free_size, 0);
}

/* What was collected last, where that is not long ago. (transfer full) */
static char *
collect_at_times (void)
{
  static char *text;
  static gint64 collected_us;

  if (text == NULL || g_get_monotonic_time () - collected_us >= COLLECT_EVERY_US)
    {
      g_free (text);
      text = metrics_collect_text ();
      collected_us = g_get_monotonic_time ();
    }
  return g_strdup (text);
}

static void
answer (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
        gpointer data)
{
  const char *method = soup_server_message_get_method (message);
  char *text;

  if (strcmp (method, SOUP_METHOD_GET) != 0 && strcmp (method, SOUP_METHOD_HEAD) != 0)
    {
      soup_server_message_set_status (message, SOUP_STATUS_METHOD_NOT_ALLOWED, NULL);
      return;
    }
  if (strcmp (path, "/metrics") != 0)
    {
      static const char hint[] = "frame-inspect: the metrics are at /metrics\n";

      soup_server_message_set_status (message, SOUP_STATUS_NOT_FOUND, NULL);
      soup_server_message_set_response (message, "text/plain", SOUP_MEMORY_STATIC, hint,
                                        strlen (hint));
      return;
    }
  text = collect_at_times ();
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, CONTENT_TYPE, SOUP_MEMORY_TAKE, text, strlen (text));
}

/* "PORT" of the local address, "ADDRESS:PORT" or "[IPV6]:PORT"; NULL: none of them. */
static GSocketAddress *
parse_address (const char *text)
{
  const char *colon = strrchr (text, ':');
  const char *digits = colon != NULL ? colon + 1 : text;
  g_autofree char *host = colon != NULL ? g_strndup (text, (gsize) (colon - text)) : NULL;
  gsize length = host != NULL ? strlen (host) : 0;
  guint64 port;

  if (!g_ascii_string_to_unsigned (digits, 10, 0, G_MAXUINT16, &port, NULL))
    return NULL;
  if (length > 2 && host[0] == '[' && host[length - 1] == ']')
    {
      host[length - 1] = '\0';
      return g_inet_socket_address_new_from_string (host + 1, (guint) port);
    }
  if (host != NULL && strchr (host, ':') != NULL)
    return NULL;
  return g_inet_socket_address_new_from_string (host != NULL ? host : "127.0.0.1", (guint) port);
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

static void
say_where (SoupServer *server)
{
  GSList *uris = soup_server_get_uris (server);

  for (GSList *entry = uris; entry != NULL; entry = entry->next)
    {
      g_autofree char *uri = g_uri_to_string (entry->data);

      g_printerr ("frame-inspect: serving %smetrics\n", uri);
    }
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
}

/* Until SIGINT or SIGTERM. Returns an exit code. */
static int
serve (const char *listen)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GSocketAddress) address = parse_address (listen);
  g_autoptr (SoupServer) server = NULL;
  g_autoptr (GError) error = NULL;

  if (address == NULL)
    {
      complain ("metrics --listen %s: give it as PORT, ADDRESS:PORT or [IPV6]:PORT, in numbers",
                listen);
      return EXIT_USAGE;
    }
  server = soup_server_new ("server-header", "frame-inspect", NULL);
  soup_server_add_early_handler (server, NULL, prepare, NULL, NULL);
  soup_server_add_handler (server, NULL, answer, NULL, NULL);
  if (!soup_server_listen (server, address, 0, &error))
    {
      complain ("metrics --listen %s: %s; choose another port, or 0 for any", listen,
                error->message);
      return EXIT_FAILED;
    }
  g_unix_signal_add (SIGINT, quit, loop);
  g_unix_signal_add (SIGTERM, quit, loop);
  say_where (server);
  g_main_loop_run (loop);
  soup_server_disconnect (server);
  return EXIT_OK;
}

int
command_metrics (int argc, char **argv)
{
  gboolean json = FALSE;
  g_autofree char *listen = NULL;
  g_autofree char *text = NULL;
  const GOptionEntry options[] = {
    { "listen", 0, 0, G_OPTION_ARG_STRING, &listen,
      "Serve them at http://ADDRESS:PORT/metrics until interrupted; 127.0.0.1 by default",
      "[ADDRESS:]PORT" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!parse_options (&argc, &argv, options, NULL,
                      "Prints numbers of all pools and consumers for Prometheus, or serves them."))
    return EXIT_USAGE;
  if (listen != NULL && json)
    {
      complain ("metrics --json does not go with --listen: Prometheus reads text");
      return EXIT_USAGE;
    }
  if (listen != NULL)
    return serve (listen);
  if (json)
    {
      print_json (metrics_collect_json ());
      return EXIT_OK;
    }
  text = metrics_collect_text ();
  g_print ("%s", text);
  return EXIT_OK;
}
