/** A stretch of creation times `[gte, lt)` of one list, walked newest first. */
export interface Window {
  /** Inclusive lower bound in unix seconds; undefined = from the beginning. */
  gte?: number;
  /** Exclusive upper bound; undefined = up to now. */
  lt?: number;
  /** Id of the last object seen, the next page's `starting_after`. */
  cursor?: string;
  /** Creation time of the last object seen. */
  at?: number;
}

/** What a page tells of its window. */
export interface PageFacts {
  readonly count: number;
  readonly hasMore: boolean;
  readonly lastId: string | undefined;
  readonly lastCreated: number | undefined;
}

/** The windows of one list: which are open, how much is left, and when another split pays. */
export interface Windows {
  readonly open: readonly Window[];
  /** Notes a page; returns whether the window is finished, and how to take the note back. */
  page(window: Window, facts: PageFacts): { readonly finished: boolean; readonly undo: () => void };
  /** Splits the window with the most left, if that pays; returns the new one. */
  split(): Window | undefined;
  /** Pages still to come, by the density seen so far. */
  remaining(): number;
  /** Part of the pages that is behind us, by that estimate, 0..1. */
  share(): number;
  /** JSON for td_progress. */
  save(): string;
}

interface Saved {
  readonly open: readonly Window[];
  readonly pages: number;
  readonly walked: number;
}

/** Pages are requested with this limit. */
export const PAGE_SIZE = 100;

/** A new window must have at least this many pages to come. */
const MIN_PAGES = 3;
/** Requests that splitting may waste on pages that are not full: this many, and this part of all. */
const WASTE_FIXED = 3;
const WASTE_PART = 0.04;

/**
 * @param floor - no object is older (the account's creation)
 * @param nowSeconds - upper end of the newest window
 * @param saved - what {@link Windows.save} gave before a restart
 */
export function createWindows(floor: number, nowSeconds: number, saved?: string): Windows {
  const from = saved === undefined ? undefined : (JSON.parse(saved) as Saved);
  const open: Window[] = from === undefined ? [{}] : from.open.map((window) => ({ ...window }));
  let pages = from?.pages ?? 0;
  /** Seconds of creation time behind us. */
  let walked = from?.walked ?? 0;
  let waste = 0;

  const low = (window: Window): number => window.gte ?? floor;
  const high = (window: Window): number => window.at ?? window.lt ?? nowSeconds;
  const left = (window: Window): number => Math.max(0, high(window) - low(window));
  const pagesLeft = (window: Window): number =>
    pages === 0 ? 1 : walked === 0 ? left(window) : (left(window) * pages) / walked;

  return {
    get open() {
      return open;
    },
    page: (window, facts) => {
      const was = { pages, walked, waste, window: { ...window }, index: open.indexOf(window) };
      const before = high(window);
      // Only a bound that was set: the floor is a guess, and an import may have made older objects.
      const passed =
        facts.lastCreated !== undefined && window.gte !== undefined && facts.lastCreated < window.gte;
      const finished = !facts.hasMore || facts.lastId === undefined || passed;
      pages += 1;
      if (finished) {
        walked += Math.max(0, before - low(window));
        waste += (PAGE_SIZE - Math.min(PAGE_SIZE, facts.count)) / PAGE_SIZE;
        open.splice(was.index, 1);
      } else {
        window.cursor = facts.lastId;
        if (facts.lastCreated !== undefined) {
          window.at = facts.lastCreated;
          walked += Math.max(0, before - facts.lastCreated);
        }
      }
      return {
        finished,
        undo: () => {
          ({ pages, walked, waste } = was);
          if (finished) open.push(window);
          delete window.cursor;
          delete window.at;
          Object.assign(window, was.window);
        },
      };
    },
    split: () => {
      if (waste + open.length * 0.5 > WASTE_FIXED + WASTE_PART * pages) return undefined;
      let widest: Window | undefined;
      for (const window of open)
        if (
          window.at !== undefined &&
          left(window) >= 2 &&
          (widest === undefined || left(window) > left(widest))
        )
          widest = window;
      if (widest === undefined || pagesLeft(widest) < 2 * MIN_PAGES) return undefined;
      const middle = low(widest) + Math.ceil(left(widest) / 2);
      const older: Window = { lt: middle, ...(widest.gte === undefined ? {} : { gte: widest.gte }) };
      widest.gte = middle;
      open.push(older);
      return older;
    },
    remaining: () => open.reduce((sum, window) => sum + pagesLeft(window), 0),
    share: () => {
      const rest = open.reduce((sum, window) => sum + pagesLeft(window), 0);
      return pages + rest === 0 ? 1 : pages / (pages + rest);
    },
    save: () => JSON.stringify({ open, pages, walked } satisfies Saved),
  };
}

/** The query of a window's next page. */
export function windowQuery(window: Window, limit: number): string[] {
  const query = [`limit=${limit}`];
  if (window.gte !== undefined) query.push(`created[gte]=${window.gte}`);
  // With a cursor the upper bound is behind us.
  if (window.cursor !== undefined) query.push(`starting_after=${encodeURIComponent(window.cursor)}`);
  else if (window.lt !== undefined) query.push(`created[lt]=${window.lt}`);
  return query;
}

/** The cursor's object is gone: go on by time, reading the last second again. */
export function recoverCursor(window: Window): boolean {
  if (window.cursor === undefined) return false;
  if (window.at === undefined) return false;
  delete window.cursor;
  window.lt = window.at + 1;
  return true;
}
