// open-attestation: documents wrapped as one batch, and each of them verified from its text.
import openAttestation from "@govtechsg/open-attestation";
import { serve } from "./rounds.mjs";

const { getData, verifySignature, wrapDocuments } = openAttestation;

function changed(wrapped) {
  return { ...wrapped, data: { ...wrapped.data, id: `${wrapped.data.id}x` } };
}

await serve(({ task, documents }) => {
  const wrapped = wrapDocuments(documents);
  const texts = wrapped.map((one) => JSON.stringify(one));
  const work = {
    wrap: () => wrapDocuments(documents).map((one) => JSON.stringify(one)),
    verify: () => texts.map((text) => verifySignature(JSON.parse(text))),
  };
  return {
    answer: {
      documents: wrapped.map(getData),
      verified: wrapped.map(verifySignature),
      changed: wrapped.map((one) => verifySignature(changed(one))),
      bytes: texts.map((text) => Buffer.byteLength(text)),
    },
    run: work[task],
  };
});
