import { createHash, hash } from 'node:crypto';
import { readPagesSync } from './pages.ts';
import type { Hashes, PageSource } from './worker-protocol.ts';

/** Bytes of a page's hash that are kept: 128 bits, so that two pages that differ are never taken for the same. */
export const PAGE_HASH_BYTES = 16;

/** Hashes a snapshot, page by page and as a whole. */
export function hashPages(source: PageSource, bytes: number, pageSize: number): Hashes {
  const whole = createHash('sha256');
  const pages = Buffer.alloc((bytes / pageSize) * PAGE_HASH_BYTES);
  const chunk = Buffer.alloc(Math.max(pageSize, 1 << 20));
  for (let position = 0; position < bytes; position += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, bytes - position));
    readPagesSync(source, pageSize, part, position);
    whole.update(part);
    for (let at = 0; at < part.length; at += pageSize) {
      const page = hash('sha256', part.subarray(at, at + pageSize), 'buffer');
      page.copy(pages, ((position + at) / pageSize) * PAGE_HASH_BYTES, 0, PAGE_HASH_BYTES);
    }
  }
  return { pages, digest: whole.digest('base64') };
}
