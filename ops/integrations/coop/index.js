// Sluice's scores as signals of Coop: one signal per harm, each a number from 0 to 1 for a text.
// The contract is CoopIntegrationPlugin of @roostorg/coop-types.

const INTEGRATION = 'SLUICE';
const TIMEOUT_MS = 5000;

const HARMS = {
  toxicity: 'Toxicity',
  hate: 'Hate',
  harassment: 'Harassment',
  threat: 'Threat',
  violence: 'Violence',
  self_harm: 'Self-harm',
  sexual: 'Sexual',
  profanity: 'Profanity',
  weapons: 'Weapons',
  spam: 'Spam',
  fraud: 'Fraud',
  gambling: 'Gambling',
  illicit: 'Illicit goods',
};
const CARD = 'The model card in the repository of Sluice (models/MODEL_CARD.md) says it, label by label.';
const SECTIONS = {
  trainingData: 'Training data',
  policyAndTaxonomy: 'Policy and taxonomy',
  annotationMethodology: 'Annotation methodology',
  performanceBenchmarks: 'Performance benchmarks',
  biasAndLimitations: 'Bias and limitations',
  implementationGuidance: 'Implementation guidance',
  relevantLinks: 'Relevant links',
};

const typeOf = (harm) => `SLUICE_${harm.toUpperCase()}_TEXT`;

/** The verdict of `sluice serve` on a text; throws where nobody answers with one, so that Coop tries again. */
async function readVerdict(credential, text) {
  const headers = { 'content-type': 'application/json' };
  if (credential.apiKey) headers.authorization = `Bearer ${credential.apiKey}`;
  const answer = await fetch(new URL('/v1/posts?in_full=true', credential.url), {
    method: 'POST',
    headers,
    body: JSON.stringify({ text }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) throw new Error(`Sluice answered ${answer.status}`);
  return answer.json();
}

/** @returns {import('@roostorg/coop-types').PluginSignalDescriptor} */
function makeSignal(context, harm) {
  return {
    id: { type: typeOf(harm) },
    displayName: `Sluice: ${HARMS[harm]}`,
    description: `The calibrated probability, from 0 to 1, that a text carries the label ${harm}.`,
    docsUrl: null,
    recommendedThresholds: null, // the thresholds of your own policy, from `sluice calibrate`
    supportedLanguages: 'ALL',
    pricingStructure: { type: 'FREE' },
    eligibleInputs: ['STRING'],
    outputType: { scalarType: 'NUMBER' },
    getCost: () => 20,
    run: async (/** @type {any} */ input) => {
      const credential = await context.getCredential(input.orgId);
      const verdict = await readVerdict(credential, input.value.value);
      return { outputType: { scalarType: 'NUMBER' }, score: verdict.scores[harm] };
    },
    getDisabledInfo: async (orgId) => {
      const { url } = await context.getCredential(orgId);
      return url ? { disabled: false } : { disabled: true, disabledMessage: 'Say where Sluice is first.' };
    },
    needsMatchingValues: false,
    eligibleSubcategories: [],
    needsActionPenalties: false,
    integration: context.integrationId,
    allowedInAutomatedRules: true,
  };
}

/** @type {import('@roostorg/coop-types').CoopIntegrationPlugin} */
const plugin = {
  manifest: {
    id: INTEGRATION,
    name: 'Sluice',
    version: '0.1.0',
    description: 'Calibrated scores for texts from a Sluice of your own.',
    requiresConfig: true,
    configurationFields: [
      { key: 'url', label: 'Address', required: true, inputType: 'text', placeholder: 'http://sluice:8080' },
      { key: 'apiKey', label: 'API key', required: false, inputType: 'password' },
    ],
    signalTypeIds: Object.keys(HARMS).map(typeOf),
    modelCard: {
      modelName: 'Sluice',
      version: '0.1.0',
      sections: Object.entries(SECTIONS).map(([id, title]) => ({ id, title, fields: [{ label: 'See', value: CARD }] })),
    },
  },
  createSignals: (context) =>
    Object.keys(HARMS).map((harm) => ({ signalTypeId: typeOf(harm), signal: makeSignal(context, harm) })),
};

export default plugin;
