/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "common.h"

/* frame-inspect COMMAND: looks at pools without disturbing them. One file for each command. */
static const struct
{
  const char *name;
  const char *arguments;
  const char *summary;
  Command run;
} commands[] = {
  { "check", "POOL [OPTION...]", "what is wrong with its frames: prints a verdict", command_check },
  { "list", "[--json]", "the pools that there are", command_list },
  { "metrics", "[OPTION...]", "numbers of all pools for Prometheus", command_metrics },
  { "show", "POOL [--json]", "a pool: format, slots, consumers", command_show },
  { "snapshot", "POOL FILE.png [OPTION...]", "frames as PNG files", command_snapshot },
  { "top", "[OPTION...]", "all pools and consumers, again and again", command_top },
  { "watch", "[POOL]", "what happens, as JSON lines", command_watch },
};

static void
print_usage (void (*print) (const char *format, ...))
{
  print ("Usage: frame-inspect COMMAND [OPTION...]\n\n");
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    print ("  %-8s %-25s %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
  print ("  %-34s %s\n", "--version", "the version of this program");
  print ("\nPOOL is a name or the absolute path of a socket. Exit code: 0 done, 1 failed, 2 wrong "
         "usage, 3 check found faults.\n");
}

static int
run (int argc, char **argv)
{
  if (argc >= 2 && (g_str_equal (argv[1], "--help") || g_str_equal (argv[1], "-h")))
    {
      print_usage (g_print);
      return EXIT_OK;
    }
  if (argc >= 2 && g_str_equal (argv[1], "--version"))
    {
      g_print ("frame-inspect " VERSION "\n");
      return EXIT_OK;
    }
  for (gsize i = 0; argc >= 2 && i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (argv[1], commands[i].name))
      return commands[i].run (argc - 1, argv + 1);
  if (argc >= 2)
    complain ("no command '%s'", argv[1]);
  print_usage (g_printerr);
  return EXIT_USAGE;
}

int
main (int argc, char **argv)
{
  int code;

  /* Only how to print text: numbers stay as programs expect them. */
  setlocale (LC_CTYPE, "");
  g_set_prgname ("frame-inspect");
  code = run (argc, argv);
  /* g_print() flushes, and does not say that it could not. */
  if (ferror (stdout) && code == EXIT_OK)
    {
      complain ("writing the output failed: is the disk full?");
      return EXIT_FAILED;
    }
  return code;
}
