import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Check, HealthReport } from './types.ts';

const healthJson = 'application/health+json';

/** Answers GET and HEAD; a verdict must not be cached on the way. */
export function respond(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
): void {
  const text = Buffer.from(body, 'utf8');
  response.writeHead(status, {
    'content-type': type,
    'content-length': text.length,
    'cache-control': 'no-store',
    vary: 'Accept, Authorization, Cookie',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

/** True when the method has been refused. */
export function refusedMethod(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method === 'GET' || request.method === 'HEAD') return false;
  response.writeHead(405, { allow: 'GET, HEAD', 'content-length': 0 });
  response.end();
  return true;
}

/** Whether the caller names application/health+json, with a weight above 0. */
export function wantsHealthJson(request: IncomingMessage): boolean {
  return (request.headers.accept ?? '').split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    return type === healthJson && (weight === undefined || Number(weight.slice(2)) > 0);
  });
}

/** `{ok, status, items}`; without `details` an item is no more than its verdict. */
export function plainBody(report: HealthReport, details: boolean): string {
  if (details) return `${JSON.stringify(report)}\n`;
  const items = Object.fromEntries(
    Object.entries(report.items).map(([name, { ok, status }]) => [name, { ok, status }]),
  );
  return `${JSON.stringify({ ok: report.ok, status: report.status, items })}\n`;
}

/**
 * The body of application/health+json.
 * @see https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check-06
 */
export function healthJsonBody(
  report: HealthReport,
  details: boolean,
  checks: Readonly<Record<string, Check>>,
  version: { readonly version?: string | undefined; readonly releaseId?: string | undefined },
): string {
  const entries = Object.entries(report.items).map(([name, item]) => [
    name,
    [
      {
        status: item.status,
        ...(details
          ? {
              componentType: checks[name]?.componentType ?? 'component',
              observedValue: item.observed,
              observedUnit: item.unit,
              time: item.time,
              // The draft: to be left out on pass.
              output: item.status === 'pass' ? undefined : item.message,
            }
          : {}),
      },
    ],
  ]);
  return `${JSON.stringify({
    status: report.status,
    ...(details ? { version: version.version, releaseId: version.releaseId } : {}),
    checks: Object.fromEntries(entries) as unknown,
  })}\n`;
}
