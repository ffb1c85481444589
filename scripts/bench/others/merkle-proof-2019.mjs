// lds-merkle-proof-2019 from npm: proofs into proofValue and back.
import { Decoder, Encoder } from "@blockcerts/lds-merkle-proof-2019";
import { serve } from "./rounds.mjs";

await serve(({ task, proofs, rounds }) => {
  const values = proofs.map((proof) => new Encoder(proof).encode());
  const decoded = values.map((value) => new Decoder(value).decode());
  const work = {
    encode: () => proofs.forEach((proof) => new Encoder(proof).encode()),
    decode: () => values.forEach((value) => new Decoder(value).decode()),
  }[task];
  return {
    answer: decoded,
    run: () => {
      for (let round = 0; round < rounds; round += 1) work();
    },
  };
});
