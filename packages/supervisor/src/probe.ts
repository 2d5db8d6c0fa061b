import { access } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { orAborted } from './changes.ts';
import type { Probe } from './types.ts';

/** Asks once; every failure is `false`. Resolves at the latest when the signal is aborted. */
export async function ask(
  probe: Probe,
  context: { readonly service: string; readonly pid: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const { signal } = context;
  try {
    return await orAborted(answer(probe, context), signal);
  } catch {
    return false;
  }
}

async function answer(
  probe: Probe,
  context: { readonly service: string; readonly pid: number; readonly signal: AbortSignal },
): Promise<boolean> {
  switch (probe.type) {
    case 'http':
      return askHttp(probe, context.signal);
    case 'tcp':
      return canConnect({ host: probe.host ?? '127.0.0.1', port: probe.port }, context.signal);
    case 'socket':
      return canConnect({ path: probe.path }, context.signal);
    case 'file':
      return access(probe.path).then(() => true);
    case 'function':
      return probe.probe(context);
  }
}

function askHttp(probe: Extract<Probe, { type: 'http' }>, signal: AbortSignal): Promise<boolean> {
  const url = new URL(probe.url);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        ...(probe.socketPath === undefined
          ? { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 80 : Number(url.port) }
          : { socketPath: probe.socketPath }),
        path: url.pathname + url.search,
        headers: { host: url.host, ...probe.headers },
        agent: false,
        signal,
      },
      (response) => {
        const status = response.statusCode ?? 0;
        resolve(probe.status === undefined ? status >= 200 && status < 400 : probe.status.includes(status));
        // The verdict stands; a long body need not be read.
        response.destroy();
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

function canConnect(
  target: { readonly host: string; readonly port: number } | { readonly path: string },
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(target);
    const end = (verdict: boolean): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(verdict);
    };
    const onAbort = (): void => {
      end(false);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      end(true);
    });
    socket.on('error', () => {
      end(false);
    });
  });
}
