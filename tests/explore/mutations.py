# SPDX-License-Identifier: LGPL-2.1-or-later
"""What explore.py --mutations changes: each memory order and fence of abi/slot.h weakened in turn,
found by their text, and bugs planted by hand."""
import re
from typing import NamedTuple

SLOT_H = 'lib/abi/slot.h'
SLOTS_C = 'lib/api/slots.c'
POOL_C = 'tests/explore/pool.c'


class Mutation(NamedTuple):
    site: str     # function:line
    key: str      # the same without the line, for docs/verification.md
    file: str
    text: str     # the whole file, changed
    tso: bool     # it changes what TSO sees, too


COMMENT = re.compile(r'/\*.*?\*/', re.S)
FUNCTION = re.compile(r'^(\w+) \(', re.M)
ATOMIC = re.compile(r'atomic_(?:(load|store|fetch_add)_explicit \((.*?)|thread_fence \()'
                    r'memory_order_(\w+)\)', re.S)
WEAKER = {
    ('load', 'acquire'): ['relaxed'],
    ('store', 'release'): ['relaxed'],
    ('fetch_add', 'release'): ['relaxed'],
    ('fence', 'acquire'): ['dropped'],
    ('fence', 'release'): ['dropped'],
    ('fence', 'seq_cst'): ['acq_rel', 'dropped'],
}


def blank(match):
    return re.sub(r'[^\n]', ' ', match[0])


def target(arguments):
    """The word that an access is of: '&view->ring[i], x' gives 'ring'."""
    first = re.sub(r'\[[^\]]*\]', '', arguments).split(',')[0]
    return re.findall(r'\w+', first)[-1]


def weakened(top):
    """Every order of slot.h that is more than relaxed, one weaker at a time."""
    source = (top / SLOT_H).read_text(encoding='utf-8')
    code = COMMENT.sub(blank, source)
    known = {}
    n_orders = 0
    for match in ATOMIC.finditer(code):
        kind = match[1] or 'fence'
        order = match[3]
        n_orders += 1
        if order == 'relaxed':
            continue
        function = FUNCTION.findall(code, 0, match.start())[-1]
        line = code.count('\n', 0, match.start(3)) + 1
        what = f'{kind} {target(match[2])}' if match[1] else kind
        known[function, what] = known.get((function, what), 0) + 1
        if known[function, what] > 1:
            what += f' (no. {known[function, what]})'
        for weaker in WEAKER[kind, order]:
            if weaker == 'dropped':
                begin, end, new = match.start(), match.end(), '((void) 0)'
            else:
                begin, end, new = match.start(3), match.end(3), weaker
            yield Mutation(f'{function}:{line}', f'{function}: {what} {order} -> {weaker}', SLOT_H,
                           source[:begin] + new + source[end:], order == 'seq_cst')
    if n_orders != code.count('memory_order_'):
        raise SystemExit(f'{SLOT_H}: an atomic access that mutations.py does not understand')


# name, file, [(old, new)]: the file's text must have each `old` exactly once.
PLANTED = [
    ('hazards are not looked at', SLOTS_C, [('  scan (self, data);\n', '')]),
    ('the scan comes before the store of RETIRED', SLOTS_C,
     [('  shmframe_slot_retire (&self->segment->view, slot, entry->sequence);\n', ''),
      ('  scan (self, data);\n',
       '  scan (self, data);\n  if (last != SHMFRAME_SLOT_NONE)\n    shmframe_slot_retire '
       '(&self->segment->view, last, self->entry[last].sequence);\n')]),
    ('no fence between RETIRED and the scan', SLOTS_C, [('  shmframe_slot_fence ();\n', '')]),
    ('a retired slot is free at once', SLOTS_C,
     [('      if (self->entry[slot].held == self->pass || ', '      if ('),
      ('last != SHMFRAME_SLOT_NONE && self->entry[last].held != self->pass',
       'last != SHMFRAME_SLOT_NONE')]),
    ('a held slot is forgotten', SLOTS_C,
     [('          self->retired = slot;\n        }\n      else if', '        }\n      else if')]),
    ('a discarded slot is free at once', SLOTS_C,
     [('    retire (self, self->newest);\n',
       '    {\n      uint32_t slot = self->newest;\n\n      unlink_live (self, slot);\n'
       '      push_free (self, slot);\n    }\n')]),
    ('a discarded slot that the producer still holds is free', SLOTS_C,
     [(' || self->entry[slot].pinned)\n', ')\n')]),
    ('the newest frame may be taken', SLOTS_C,
     [('  for (; slot != SHMFRAME_SLOT_NONE && history > 0; history--)\n'
       '    slot = self->entry[slot].older;\n  while', '  (void) history;\n  while')]),
    ('a lease does not check the generation', SLOT_H,
     [('  if (generation\n      == shmframe_generation (shmframe_handle_sequence (handle), '
       'SHMFRAME_STATE_LIVE))', '  (void) generation;\n  if (true)')]),
    ('a lease accepts RETIRED', SLOT_H,
     [('  if (generation\n      == shmframe_generation (shmframe_handle_sequence (handle), '
       'SHMFRAME_STATE_LIVE))',
       '  if (shmframe_generation_sequence (generation) == shmframe_handle_sequence (handle))')]),
    ('the verdict does not check the generation', SLOT_H,
     [('  return shmframe_generation_sequence (generation) == shmframe_handle_sequence (handle)\n'
       '         && shmframe_generation_state (generation) != SHMFRAME_STATE_WRITING;',
       '  (void) generation;\n  return true;')]),
    ('the verdict takes WRITING for intact', SLOT_H,
     [('\n         && shmframe_generation_state (generation) != SHMFRAME_STATE_WRITING;', ';')]),
    ('WRITING is not stored', SLOT_H,
     [('shmframe_generation (old_sequence, SHMFRAME_STATE_WRITING)',
       'shmframe_generation (old_sequence, SHMFRAME_STATE_RETIRED)')]),
    ('a refused lease leaves its hazard', SLOT_H,
     [('  atomic_store_explicit (hazard, SHMFRAME_HANDLE_NONE, memory_order_release);\n'
       '  SHMFRAME_STOP (LEASE_REFUSED);', '  SHMFRAME_STOP (LEASE_REFUSED);')]),
    ('latest is stored before LIVE', SLOT_H,
     [('  SHMFRAME_STOP (PUBLISH_DESCRIBED);\n',
       '  atomic_store_explicit (&view->header->latest, handle, memory_order_release);\n')]),
    ('latest is stored before the ring', SLOT_H,
     [('  SHMFRAME_STOP (PUBLISH_LIVE);\n',
       '  atomic_store_explicit (&view->header->latest, handle, memory_order_release);\n')]),
    ('the bell is a futex word that nobody changes', SLOT_H,
     [('  atomic_fetch_add_explicit (&control->bell, 1, memory_order_release);\n',
       '  (void) control;\n')]),
    ('`end` does not ring', POOL_C, [('producer.sequence + 1);\n  ring ();\n', 'producer.sequence + 1);\n')]),
    ('the ticket stays the same', POOL_C,
     [('shmframe_slot_arm (control, ++self->ticket)', 'shmframe_slot_arm (control, 1)')]),
    ('armed after the second look', POOL_C,
     [('      shmframe_slot_arm (control, ++self->ticket);\n'
       '      if (something_came (self))\n        return;\n',
       '      if (something_came (self))\n        return;\n'
       '      shmframe_slot_arm (control, ++self->ticket);\n')]),
    ('the bell is read after the second look', POOL_C,
     [('      explore_futex_wait (&control->bell, bell);\n',
       '      bell = shmframe_slot_bell (control);\n'
       '      explore_futex_wait (&control->bell, bell);\n')]),
    ('polling drains after the second look', POOL_C,
     [('      explore_poll (self->number);\n',
       '      explore_drain (self->number);\n      explore_poll (self->number);\n')]),
    ('the waiting flag is read before consumed is stored', SLOT_H,
     [('  atomic_store_explicit (&control->consumed, sequence, memory_order_release);\n'
       '  SHMFRAME_STOP (LEASE_CONSUMED_STORED);\n',
       '  uint32_t waiting = atomic_load_explicit (&view->header->waiting, memory_order_relaxed);\n'
       '  atomic_store_explicit (&control->consumed, sequence, memory_order_release);\n'),
      ('  return atomic_load_explicit (&view->header->waiting, memory_order_relaxed) != 0\n',
       '  return waiting != 0\n')]),
    ('consumed is stored before the lease', POOL_C,
     [('  if (handle == SHMFRAME_HANDLE_NONE\n      || !shmframe_slot_lease',
       '  if (handle != SHMFRAME_HANDLE_NONE)\n    shmframe_slot_consume (&pool_view, control, '
       'shmframe_handle_sequence (handle));\n  if (handle == SHMFRAME_HANDLE_NONE\n'
       '      || !shmframe_slot_lease')]),
]


def planted(top):
    for name, file, changes in PLANTED:
        text = (top / file).read_text(encoding='utf-8')
        for old, new in changes:
            if text.count(old) != 1:
                raise SystemExit(f'mutations.py: "{name}": {file} has changed: it has '
                                 f'{text.count(old)} times:\n{old}')
            text = text.replace(old, new)
        yield Mutation('planted', name, file, text, True)
