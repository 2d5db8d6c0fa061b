import { timingSafeEqual } from 'node:crypto';
import { Failure } from './failure.ts';
import { keyPattern } from '../options.ts';

/** The key of a request: Bearer, or Basic with the key as user name. */
export function keyOf(authorization: string | undefined): string | undefined {
  const [scheme = '', value = ''] = (authorization ?? '').trim().split(/\s+/, 2);
  if (/^bearer$/i.test(scheme)) return value === '' ? undefined : value;
  if (!/^basic$/i.test(scheme)) return undefined;
  const user = Buffer.from(value, 'base64').toString('utf8').split(':', 1)[0];
  return user === undefined || user === '' ? undefined : user;
}

/** The key with its middle starred out, as Stripe shows it. */
export function masked(key: string): string {
  const match = /^(\w+?_(?:test|live|org)_)?(.*)$/s.exec(key);
  const [head, tail] = [match?.[1] ?? '', match?.[2] ?? key];
  return head + '*'.repeat(Math.max(tail.length - 4, 4)) + tail.slice(-4);
}

const same = (a: string, b: string): boolean => {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
};

const unauthorised = (message: string, details: Record<string, unknown> = {}): Failure =>
  new Failure(401, message, details, { 'WWW-Authenticate': 'Basic realm="Stripe"' });

/**
 * Lets a key in, or says as Stripe does why not.
 * @throws Failure 401
 */
export function authenticate(authorization: string | undefined, only: string | undefined): string {
  const key = keyOf(authorization);
  if (key === undefined) {
    throw unauthorised(
      "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.",
    );
  }
  if (/^pk_/.test(key)) {
    throw unauthorised(
      'This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.',
      { code: 'secret_key_required' },
    );
  }
  if (only === undefined ? !keyPattern.test(key) : !same(key, only)) {
    throw unauthorised(`Invalid API Key provided: ${masked(key)}`);
  }
  return key;
}
