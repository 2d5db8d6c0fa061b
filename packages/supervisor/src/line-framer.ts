import type { Redactor } from './redact.ts';

/** A line longer than this is cut, so that a child without line ends cannot fill the memory. */
const maxLineBytes = 64 * 1024;
/** Held back at such a cut: a secret that is shorter than this is never cut in two. */
const holdBackBytes = 4 * 1024;
const newline = 0x0a;

/** Turns chunks into blocks of whole lines, without secrets. */
export interface LineFramer {
  /** Whole lines, each ended by a newline; undefined when there are none yet. */
  push(chunk: Buffer): Buffer | undefined;
  /** What is left when the output ends; gets the newline it lacks. */
  end(): Buffer | undefined;
}

/** One per stream. Blocks, not lines, because a line each would cost more than the child at 100 MB/s. */
export function createLineFramer(redactor: Redactor | undefined): LineFramer {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  /** In the rest of a line that is a secret longer than any buffer. */
  let dropping = false;

  const clean = (block: Buffer): Buffer => {
    if (redactor === undefined) return block;
    const text = block.toString('utf8');
    const redacted = redactor.redact(text);
    return redacted === text ? block : Buffer.from(redacted, 'utf8');
  };

  const keep = (rest: Buffer): void => {
    // A copy: a few bytes must not keep a whole chunk of 64 KiB in memory.
    pending = rest.length === 0 ? [] : [Buffer.from(rest)];
    pendingBytes = rest.length;
  };

  const cutLongLine = (): Buffer | undefined => {
    const line = Buffer.concat(pending);
    if (redactor === undefined) {
      keep(Buffer.alloc(0));
      return Buffer.concat([line, Buffer.from('\n')]);
    }
    const text = line.toString('utf8');
    const at = redactor.cut(text, text.length - holdBackBytes);
    if (at <= 0) {
      keep(Buffer.alloc(0));
      dropping = true;
      return Buffer.from('[redacted]\n');
    }
    keep(Buffer.from(text.slice(at), 'utf8'));
    return Buffer.from(`${redactor.redact(text.slice(0, at))}\n`, 'utf8');
  };

  return {
    push(chunk): Buffer | undefined {
      let fresh = chunk;
      if (dropping) {
        const end = fresh.indexOf(newline);
        if (end < 0) return undefined;
        dropping = false;
        fresh = fresh.subarray(end + 1);
      }
      const last = fresh.lastIndexOf(newline);
      if (last < 0) {
        pending.push(fresh);
        pendingBytes += fresh.length;
        return pendingBytes > maxLineBytes ? cutLongLine() : undefined;
      }
      const whole = fresh.subarray(0, last + 1);
      const block = clean(pending.length === 0 ? whole : Buffer.concat([...pending, whole]));
      keep(fresh.subarray(last + 1));
      return block;
    },
    end(): Buffer | undefined {
      if (pendingBytes === 0) return undefined;
      const block = clean(Buffer.concat([...pending, Buffer.from('\n')]));
      keep(Buffer.alloc(0));
      return block;
    },
  };
}
