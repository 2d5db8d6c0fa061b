import { SnapshotError } from './errors.ts';
import { PAGE_HASH_BYTES } from './hash-pages.ts';
import type { Manifest } from './manifests.ts';

/** Media type of a delta. */
export const DELTA_TYPE = 'application/vnd.sqlite-snapshot-delta';

/**
 * What a delta begins with, as JSON after its length (4 bytes, big endian). Then come the changed pages: number (4 bytes,
 * big endian, 1 is the first) and content.
 */
export interface DeltaHead {
  readonly format: 1;
  readonly from: string;
  readonly to: string;
  readonly pageSize: number;
  /** Bytes of the whole file afterwards. */
  readonly bytes: number;
  /** How many pages follow. */
  readonly pages: number;
  /** Of the whole file afterwards, base64. */
  readonly sha256: string;
}

/** The numbers of the pages that differ from `base`, or are new. */
export function changedPages(base: Manifest, pages: Uint8Array): number[] {
  const [before, after] = [Buffer.from(base.pages.buffer, base.pages.byteOffset, base.pages.length), pages];
  const changed: number[] = [];
  for (let at = 0; at < after.length; at += PAGE_HASH_BYTES) {
    const end = at + PAGE_HASH_BYTES;
    if (end > before.length || before.compare(after, at, end, at, end) !== 0)
      changed.push(at / PAGE_HASH_BYTES + 1);
  }
  return changed;
}

/** The head in its written form. */
export function encodeHead(head: DeltaHead): Buffer {
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json]);
}

/** Reads a delta from a stream: the head, then the pages one by one. */
export async function* decodeDelta(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly head: DeltaHead } | { readonly page: number; readonly content: Buffer }> {
  const take = reader(chunks);
  const length = (await take(4)).readUInt32BE(0);
  if (length > 65536) throw new SnapshotError('SNAPSHOT_HTTP', 'The answer is not a delta');
  const head = JSON.parse((await take(length)).toString('utf8')) as DeltaHead;
  if (head.format !== 1) {
    throw new SnapshotError(
      'SNAPSHOT_HTTP',
      `The server sends deltas of format ${String(head.format)}: update sqlite-snapshot`,
    );
  }
  yield { head };
  for (let n = 0; n < head.pages; n++) {
    const page = (await take(4)).readUInt32BE(0);
    yield { page, content: await take(head.pageSize) };
  }
}

/** Takes an exact number of bytes off a stream. */
function reader(chunks: AsyncIterable<Uint8Array>): (length: number) => Promise<Buffer> {
  const iterator = chunks[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  return async (length) => {
    const parts = [rest];
    let have = rest.length;
    while (have < length) {
      const next = await iterator.next();
      if (next.done === true) throw new SnapshotError('SNAPSHOT_HTTP', 'The delta ends early');
      parts.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length));
      have += next.value.length;
    }
    const all = parts.length === 1 ? rest : Buffer.concat(parts);
    rest = all.subarray(length);
    return all.subarray(0, length);
  };
}
