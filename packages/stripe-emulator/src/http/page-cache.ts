/** Pages that were written once, for as long as nothing changes: so that a benchmark never measures the emulator. */
export class PageCache {
  readonly #pages = new Map<string, Buffer>();
  readonly #maxBytes: number;
  #bytes = 0;
  #version = -1;

  /** @param maxBytes the most it keeps */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** A page that was kept since nothing has changed. */
  get(key: string, version: number): Buffer | undefined {
    if (version !== this.#version) {
      this.#pages.clear();
      this.#bytes = 0;
      this.#version = version;
    }
    return this.#pages.get(key);
  }

  /** Keeps a page; the oldest make room. */
  set(key: string, page: Buffer): void {
    if (page.length > this.#maxBytes / 4) return;
    this.#pages.set(key, page);
    this.#bytes += page.length;
    for (const [oldest, old] of this.#pages) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#pages.delete(oldest);
      this.#bytes -= old.length;
    }
  }
}
