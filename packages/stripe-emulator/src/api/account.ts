import type { StripeObject } from '../types.ts';

/** What the own account needs to be shown. */
export interface AccountFacts {
  readonly id: string;
  readonly created: number;
  readonly name: string;
  readonly email: string;
  readonly country: string;
  readonly currency: string;
  readonly url: string;
  /** Where payouts go. */
  readonly externalAccounts: readonly StripeObject[];
}

/** The account as GET /v1/account shows it. */
export function ownAccount(facts: AccountFacts): StripeObject {
  return {
    id: facts.id,
    object: 'account',
    business_profile: {
      annual_revenue: null,
      estimated_worker_count: null,
      mcc: '5734',
      minority_owned_business_designation: null,
      name: facts.name,
      product_description: null,
      support_address: null,
      support_email: facts.email,
      support_phone: null,
      support_url: facts.url,
      url: facts.url,
    },
    business_type: 'company',
    capabilities: { card_payments: 'active', transfers: 'active' },
    charges_enabled: true,
    controller: { type: 'account' },
    country: facts.country,
    created: facts.created,
    default_currency: facts.currency,
    details_submitted: true,
    email: facts.email,
    external_accounts: {
      object: 'list',
      data: facts.externalAccounts,
      has_more: false,
      url: `/v1/accounts/${facts.id}/external_accounts`,
    },
    future_requirements: noRequirements(),
    metadata: {},
    payouts_enabled: true,
    requirements: noRequirements(),
    settings: {
      bacs_debit_payments: { display_name: null, service_user_number: null },
      branding: { icon: null, logo: null, primary_color: null, secondary_color: null },
      card_issuing: { tos_acceptance: { date: null, ip: null } },
      card_payments: {
        decline_on: { avs_failure: false, cvc_failure: false },
        statement_descriptor_prefix: null,
        statement_descriptor_prefix_kana: null,
        statement_descriptor_prefix_kanji: null,
      },
      dashboard: { display_name: facts.name, timezone: 'Etc/UTC' },
      invoices: { default_account_tax_ids: null, hosted_payment_method_save: 'offer' },
      payments: {
        statement_descriptor: facts.name.toUpperCase().slice(0, 22),
        statement_descriptor_kana: null,
        statement_descriptor_kanji: null,
      },
      payouts: {
        debit_negative_balances: true,
        schedule: { delay_days: 2, interval: 'daily' },
        statement_descriptor: null,
      },
      sepa_debit_payments: {},
    },
    tos_acceptance: { date: facts.created },
    type: 'standard',
  };
}

const noRequirements = (): Record<string, unknown> => ({
  alternatives: [],
  current_deadline: null,
  currently_due: [],
  disabled_reason: null,
  errors: [],
  eventually_due: [],
  past_due: [],
  pending_verification: [],
});
