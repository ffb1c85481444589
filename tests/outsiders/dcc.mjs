// The Digital Credentials Consortium's verifier-core: signature, expiry, status and Open Badges schema.
import {files, print, read, takeRefused} from './offline.mjs';

// Imported only now: it takes hold of `fetch` when it is loaded.
const {verifyCredential} = await import('@digitalcredentials/verifier-core');

for(const file of files) {
  const credential = read(file);
  const {log = [], errors = [], additionalInformation = []} =
    await verifyCredential({credential, knownDIDRegistries: []});
  const step = id => log.find(entry => entry.id === id) ?? {};
  const schemas = additionalInformation
    .find(({id}) => id === 'schema_check')?.results;
  print({
    file,
    // The issuer is in no registry of theirs, so only these steps can pass.
    verified: errors.length === 0 && step('valid_signature').valid === true,
    // Their step is called revocation_status and is valid if the credential is not revoked.
    revoked: 'valid' in step('revocation_status') ? !step('revocation_status').valid : null,
    expired: 'valid' in step('expiration') ? !step('expiration').valid : null,
    schema: Array.isArray(schemas) ? schemas.every(({result}) => result.valid) : null,
    errors: [
      ...errors.map(({name, message}) => `${name}: ${message}`),
      ...log.filter(({error}) => error).map(({error}) => `${error.name}: ${error.message}`)
    ],
    refused: takeRefused()
  });
}
