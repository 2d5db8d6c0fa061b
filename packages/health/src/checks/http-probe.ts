import { request as askPlain } from 'node:http';
import { request as askTls } from 'node:https';
import { HealthError } from '../errors.ts';
import type { Check, CheckResult, HttpProbeOptions } from '../types.ts';
import { timing } from './timing.ts';

/** Asks an HTTP or HTTPS server, over TCP or a Unix socket. @throws {@link HealthError} OPTIONS */
export function httpProbe(options: HttpProbeOptions): Check {
  const url = new URL(options.url);
  if (!['http:', 'https:'].includes(url.protocol)) {
    throw new HealthError('OPTIONS', `url: expected http:// or https://, got ${url.protocol}`);
  }
  const where = options.socketPath === undefined ? url.origin : `unix:${options.socketPath}`;
  return {
    // One slow answer is no outage: the second failure in a row is.
    ...timing(options, { intervalMs: 5_000, timeoutMs: 5_000, failAfter: 2 }),
    componentType: 'component',
    async run({ signal, monotonic }): Promise<CheckResult> {
      const begun = monotonic();
      const status = await ask(options, url, signal);
      const tookMs = Math.round((monotonic() - begun) * 10) / 10;
      const expected =
        options.status === undefined ? status >= 200 && status < 400 : options.status.includes(status);
      const metrics = [
        {
          name: 'http_probe_duration_seconds',
          help: 'How long the last answer took',
          type: 'gauge',
          value: tookMs / 1000,
          labels: { target: `${where}${url.pathname}` },
        } as const,
      ];
      const seen = { observed: tookMs, unit: 'ms', metrics };
      if (!expected)
        return { ...seen, status: 'fail', message: `HTTP ${status} from ${where}${url.pathname}` };
      if (options.warnAfterMs !== undefined && tookMs > options.warnAfterMs) {
        return { ...seen, status: 'warn', message: `Slow: ${tookMs} ms` };
      }
      return { ...seen, status: 'pass' };
    },
  };
}

function ask(options: HttpProbeOptions, url: URL, signal: AbortSignal): Promise<number> {
  const [request, usualPort] = url.protocol === 'https:' ? [askTls, 443] : [askPlain, 80];
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        ...(options.socketPath === undefined
          ? {
              host: url.hostname.replace(/^\[|\]$/g, ''),
              port: url.port === '' ? usualPort : Number(url.port),
            }
          : { socketPath: options.socketPath }),
        path: url.pathname + url.search,
        headers: { host: url.host, ...options.headers },
        agent: false,
        signal,
      },
      (response) => {
        resolve(response.statusCode ?? 0);
        // The verdict stands; a long body need not be read.
        response.destroy();
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}
