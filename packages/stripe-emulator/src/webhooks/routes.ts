import { randomBytes } from 'node:crypto';
import type { Call } from '../api/context.ts';
import type { Route } from '../api/routes.ts';
import { invalid, parameterMissing } from '../http/failure.ts';
import { text, texts } from '../http/params.ts';
import { shape } from '../shapes/shape.ts';
import { flagHidden } from '../store/layer.ts';
import type { StripeObject } from '../types.ts';
import { randomId } from '../write/ids.ts';
import { actorOf, fields, need, required, save, update } from '../write/kernel.ts';
import { post } from '../write/post.ts';

const spec = 'api_version:s connect:x description:s enabled_events:a metadata:m url:s disabled:x';

function checked(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalid('url', 'Invalid URL: An explicit scheme (such as https) must be provided.', 'url_invalid');
  }
  return url;
}

function create(call: Call): StripeObject {
  const values = fields(call.params, spec);
  const url = checked(required(call.params, 'url'));
  if (texts(call.params, 'enabled_events').length === 0) throw parameterMissing('enabled_events');
  const actor = actorOf(call);
  const id = randomId(call.account, 'we_');
  const secret = `whsec_${randomBytes(24).toString('base64url').replaceAll(/[-_]/g, 'x')}`;
  const made = shape('webhook_endpoint', id, {
    api_version: null,
    created: actor.at,
    livemode: false,
    metadata: {},
    status: 'enabled',
    ...values,
    url,
  });
  call.account.store.put({ id, object: 'webhook_secret', secret }, actor.at, flagHidden);
  // Shown this once only, as Stripe does.
  return { ...save(actor, made), secret };
}

/** Webhook endpoints. */
export const webhookRoutes: readonly Route[] = [
  post('/v1/webhook_endpoints', 'webhook_endpoint', create),
  post('/v1/webhook_endpoints/{webhook_endpoint}', 'webhook_endpoint', (call, actor) => {
    const endpoint = need(call, 'webhook_endpoint', 'webhook_endpoint');
    const values = fields(call.params, spec, endpoint);
    if (typeof values['url'] === 'string') checked(values['url']);
    const disabled = text(call.params, 'disabled');
    if (disabled !== undefined) values['status'] = disabled === 'true' ? 'disabled' : 'enabled';
    return update(actor, endpoint, values);
  }),
  {
    method: 'DELETE',
    path: '/v1/webhook_endpoints/{webhook_endpoint}',
    object: 'webhook_endpoint',
    handle: (call) => {
      const endpoint = need(call, 'webhook_endpoint', 'webhook_endpoint');
      call.account.store.remove('webhook_endpoint', endpoint.id);
      return { id: endpoint.id, object: 'webhook_endpoint', deleted: true };
    },
  },
];
