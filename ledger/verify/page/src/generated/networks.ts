// Written by scripts/page_tables.py from ledger.verify.networks; not to be edited.

export const NETWORKS = [
  {
    "name": "Ethereum",
    "chainId": 1,
    "genesisHash": "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "anchorRegistry": "0xe38391e4919adfb4280c4308e1b726738dcd09fe",
    "issuerRegistry": "0x11348bc99bf41694b4717f6c7d06fd5c1fc2660b",
    "test": false
  },
  {
    "name": "Sepolia",
    "chainId": 11155111,
    "genesisHash": "25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9",
    "anchorRegistry": "0xe38391e4919adfb4280c4308e1b726738dcd09fe",
    "issuerRegistry": "0x11348bc99bf41694b4717f6c7d06fd5c1fc2660b",
    "test": true
  }
] as const;
