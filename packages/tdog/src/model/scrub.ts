/**
 * Secrets inside Stripe objects: whoever reads the mirror could act with them, and nobody needs them to analyse.
 * A column of one of these names exists and stays NULL; inside JSON the property is left out.
 */
const SECRET_ANYWHERE: ReadonlySet<string> = new Set([
  'client_secret',
  'confirmation_secret',
  'customer_session_client_secret',
  'ephemeral_key_secret',
]);

/** Secret only as a property of this kind of object. */
const SECRET_OF_OBJECT: Readonly<Record<string, readonly string[]>> = {
  'apps.secret': ['payload'],
  // Whoever opens these acts as the customer or the person who is asked for documents.
  'billing_portal.session': ['url'],
  'identity.verification_session': ['url'],
  ephemeral_key: ['secret'],
  'issuing.card': ['number', 'cvc'],
  webhook_endpoint: ['secret'],
};

/** What may stand in the text of a value that holds a secret; the cheap test before the dear one. */
const HINT =
  /_secret["=]|"secret"|"cvc"|"issuing\.card"|"apps\.secret"|"billing_portal\.session"|"identity\.verification_session"/;

/** Where Stripe sends a customer on, the address carries the secret: `next_action`, `redirect`, `return_url`. */
const IN_ADDRESS = /([?&](?:\w+_)?client_secret=)[^&#"\s]+/g;

/** Whether `property` of an object of this kind is a secret. */
export function isSecret(object: string | undefined, property: string): boolean {
  if (SECRET_ANYWHERE.has(property)) return true;
  return object !== undefined && (SECRET_OF_OBJECT[object]?.includes(property) ?? false);
}

/** `JSON.stringify` without the secrets. */
export function toJson(value: unknown): string {
  const text = JSON.stringify(value);
  if (!HINT.test(text)) return text;
  return JSON.stringify(value, function (this: unknown, key: string, inner: unknown) {
    const holder = this as Record<string, unknown>;
    const object = typeof holder['object'] === 'string' ? holder['object'] : undefined;
    if (isSecret(object, key)) return undefined;
    return typeof inner === 'string' ? withoutSecrets(inner) : inner;
  });
}

/** An address without the secret that it carries. */
export function withoutSecrets(text: string): string {
  return text.includes('client_secret=') ? text.replace(IN_ADDRESS, '$1…') : text;
}
