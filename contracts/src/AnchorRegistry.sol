// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAnchorRegistry} from "./IAnchorRegistry.sol";

/// @title AnchorRegistry
/// @dev No author is recorded on purpose: a stranger who anchors our root first only makes it older, so there
/// is nothing to squat and nothing to front-run.
contract AnchorRegistry is IAnchorRegistry {
    /// @dev One slot: time in the low 64 bits, block number in the next 64.
    struct Anchor {
        uint64 time;
        uint64 blockNumber;
    }

    /// @dev Slot 0, frozen: verifiers read it through state proofs.
    mapping(bytes32 root => Anchor) private _anchors;

    /// @dev A bare root as calldata: what verifiers of Blockcerts look for in a transaction.
    fallback() external {
        if (msg.data.length != 32) revert UnknownCall(msg.data);
        _anchor(bytes32(msg.data));
    }

    /// @inheritdoc IAnchorRegistry
    function anchor(bytes32 root) external {
        _anchor(root);
    }

    /// @inheritdoc IAnchorRegistry
    function anchorMany(bytes32[] calldata roots) external {
        for (uint256 i; i < roots.length; ++i) {
            _anchor(roots[i]);
        }
    }

    /// @inheritdoc IAnchorRegistry
    function anchoredAt(bytes32 root) external view returns (uint64 time, uint64 blockNumber) {
        Anchor storage first = _anchors[root];
        return (first.time, first.blockNumber);
    }

    function _anchor(bytes32 root) private {
        if (_anchors[root].time != 0) return;
        // forge-lint: disable-next-line(unsafe-typecast)
        _anchors[root] = Anchor(uint64(block.timestamp), uint64(block.number));
        emit Anchored(root);
    }
}
