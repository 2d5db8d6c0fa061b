import { createEmulator, type Emulator, type EmulatorOptions } from '../src/index.ts';

/** An answer: status, headers and the parsed body. */
export interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> & {
    data: (Record<string, unknown> & { id: string })[];
    has_more: boolean;
    error: { code?: string; message: string; type: string; param?: string };
  };
}

/** A running emulator and a way to ask it. */
export interface Running {
  readonly emulator: Emulator;
  readonly url: string;
  get(path: string, headers?: Record<string, string>): Promise<Got>;
  post(path: string, params?: Record<string, string>, headers?: Record<string, string>): Promise<Got>;
}

/** Starts one on a free port. */
export async function running(options: EmulatorOptions): Promise<Running> {
  const emulator = createEmulator(options);
  const { url, key } = await emulator.listen();
  const ask = async (path: string, init: RequestInit): Promise<Got> => {
    const response = await fetch(url + path, {
      ...init,
      headers: { Authorization: `Bearer ${key}`, ...(init.headers as Record<string, string>) },
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: JSON.parse(text) as Got['body'] };
  };
  return {
    emulator,
    url,
    get: (path, headers = {}) => ask(path, { headers }),
    post: (path, params = {}, headers = {}) =>
      ask(path, { method: 'POST', body: new URLSearchParams(params), headers }),
  };
}

/** Walks a whole list. */
export async function walk(
  at: Running,
  path: string,
  limit = 100,
): Promise<(Record<string, unknown> & { id: string })[]> {
  const found: (Record<string, unknown> & { id: string })[] = [];
  for (;;) {
    const after = found.at(-1)?.id;
    const mark = path.includes('?') ? '&' : '?';
    const page = await at.get(
      `${path}${mark}limit=${limit}${after === undefined ? '' : `&starting_after=${after}`}`,
    );
    if (page.status !== 200) throw new Error(`${path}: ${page.status} ${page.body.error.message}`);
    found.push(...page.body.data);
    if (!page.body.has_more) return found;
  }
}
