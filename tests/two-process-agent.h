/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The agent's side of two-process.h: obeys the lines that come through a socket, until its end.
 * Returns the exit code of the process. */
int agent_obey (int socket);
