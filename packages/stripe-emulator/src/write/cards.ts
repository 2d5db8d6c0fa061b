import type { Decline } from '../shapes/payments.ts';

/** How a test card behaves. @see https://docs.stripe.com/testing */
export interface TestCard {
  readonly number: string;
  readonly brand: string;
  readonly country: string;
  readonly funding: string;
  /** Declined when charged. */
  readonly decline?: Decline;
  /** Declined already when attached to a customer. */
  readonly declineAttach?: boolean;
  /** Disputed at once with this reason. */
  readonly dispute?: string;
  /** An early warning of fraud comes with the charge. */
  readonly warning?: boolean;
  /** Needs authentication, which nobody gives here. */
  readonly authenticate?: boolean;
  /** A review is opened. */
  readonly review?: boolean;
}

const declined = (code: string, declineCode: string, message: string): Decline => ({
  code,
  declineCode,
  message,
});
const generic = declined('card_declined', 'generic_decline', 'Your card was declined.');

type Facts = Omit<TestCard, 'number' | 'brand' | 'country' | 'funding'> & {
  readonly brand?: string;
  readonly country?: string;
  readonly funding?: string;
};

const table: readonly (readonly [number: string, names: string, facts?: Facts])[] = [
  ['4242424242424242', 'visa us'],
  ['4000056655665556', 'visa_debit', { funding: 'debit' }],
  ['5555555555554444', 'mastercard', { brand: 'mastercard' }],
  ['5200828282828210', 'mastercard_debit', { brand: 'mastercard', funding: 'debit' }],
  ['5105105105105100', 'mastercard_prepaid', { brand: 'mastercard', funding: 'prepaid' }],
  ['378282246310005', 'amex', { brand: 'amex' }],
  ['6011111111111117', 'discover', { brand: 'discover' }],
  ['3056930009020004', 'diners', { brand: 'diners' }],
  ['3566002020360505', 'jcb', { brand: 'jcb' }],
  ['6200000000000005', 'unionpay', { brand: 'unionpay' }],
  ['4000008260000000', 'gb', { country: 'GB' }],
  ['4000002760000016', 'de', { country: 'DE' }],
  ['4000002500000003', 'fr', { country: 'FR' }],
  ['4000003920000003', 'jp', { country: 'JP' }],
  ['4000000000000002', 'chargeDeclined visa_chargeDeclined', { decline: generic, declineAttach: true }],
  [
    '4000000000009995',
    'chargeDeclinedInsufficientFunds visa_chargeDeclinedInsufficientFunds',
    {
      decline: declined('card_declined', 'insufficient_funds', 'Your card has insufficient funds.'),
      declineAttach: true,
    },
  ],
  [
    '4000000000009987',
    'chargeDeclinedLostCard visa_chargeDeclinedLostCard',
    { decline: declined('card_declined', 'lost_card', 'Your card was declined.'), declineAttach: true },
  ],
  [
    '4000000000009979',
    'chargeDeclinedStolenCard visa_chargeDeclinedStolenCard',
    { decline: declined('card_declined', 'stolen_card', 'Your card was declined.'), declineAttach: true },
  ],
  [
    '4000000000000069',
    'chargeDeclinedExpiredCard',
    { decline: declined('expired_card', 'expired_card', 'Your card has expired.'), declineAttach: true },
  ],
  [
    '4000000000000127',
    'chargeDeclinedIncorrectCvc',
    {
      decline: declined('incorrect_cvc', 'incorrect_cvc', "Your card's security code is incorrect."),
      declineAttach: true,
    },
  ],
  [
    '4000000000000119',
    'chargeDeclinedProcessingError',
    {
      decline: declined(
        'processing_error',
        'processing_error',
        'An error occurred while processing your card. Try again in a little bit.',
      ),
      declineAttach: true,
    },
  ],
  [
    '4100000000000019',
    'chargeDeclinedFraudulent radarBlock',
    { decline: declined('card_declined', 'fraudulent', 'Your card was declined.') },
  ],
  ['4000000000000341', 'chargeCustomerFail', { decline: generic }],
  ['4000000000000259', 'createDispute', { dispute: 'fraudulent' }],
  ['4000000000002685', 'createDisputeProductNotReceived', { dispute: 'product_not_received' }],
  ['4000000000001976', 'createDisputeInquiry', { dispute: 'fraudulent' }],
  ['4000000000005423', 'createIssuerFraudRecord', { warning: true }],
  ['4000000000009235', 'riskLevelElevated', { review: true }],
  ['4000000000003220', 'threeDSecure2Required threeDSecureRequired', { authenticate: true }],
  ['4000002500003155', 'authenticationRequiredOnSetup', { authenticate: true }],
  ['4000002760003184', 'authenticationRequired', { authenticate: true }],
];

const byNumber = new Map<string, TestCard>();
const byName = new Map<string, TestCard>();
for (const [number, names, facts = {}] of table) {
  const card: TestCard = { number, brand: 'visa', country: 'US', funding: 'credit', ...facts };
  byNumber.set(number, card);
  for (const name of names.split(' ')) byName.set(name, card);
}

/** The card behind `pm_card_…`, `tok_…` or a number. */
export function testCard(name: string): TestCard | undefined {
  return byNumber.get(name.replaceAll(/\s/g, '')) ?? byName.get(name.replace(/^(pm_card_|tok_)/, ''));
}

/** Numbers that pass the check digit but are no test card are refused in test mode; others are no numbers. */
export function validNumber(number: string): boolean {
  const digits = number.replaceAll(/\s/g, '');
  if (!/^\d{12,19}$/.test(digits)) return false;
  let sum = 0;
  for (const [index, letter] of [...digits].reverse().entries()) {
    const digit = Number(letter) * (index % 2 === 1 ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 === 0;
}
