// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title When did a root exist?
/// @notice Keeps, for every 32-byte root that anybody ever anchored, the time and number of the first block that
/// held it. Nobody owns the registry, nothing in it can be changed or removed, and it does not know who anchored.
interface IAnchorRegistry {
    /// @notice Emitted once for each root, when it is anchored for the first time.
    event Anchored(bytes32 indexed root);

    /// @notice Thrown when calldata is neither a call of a function below nor exactly one root of 32 bytes.
    error UnknownCall(bytes data);

    /// @notice Anchors one root. Repeating it, by anyone, never reverts and changes nothing.
    /// @dev Calldata that is the bare 32 bytes of a root does the same, unless those bytes begin with the
    /// selector of a function of this interface (three roots in 2^32: use this function for them).
    function anchor(bytes32 root) external;

    /// @notice Anchors several roots; those that are anchored already stay as they are.
    function anchorMany(bytes32[] calldata roots) external;

    /// @notice The time (seconds since 1970) and number of the block that anchored `root` first; 0, 0 if none did.
    function anchoredAt(bytes32 root) external view returns (uint64 time, uint64 blockNumber);
}
