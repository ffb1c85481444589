// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// A cast that cut a value off would show as a failing test.
// forge-lint: disable-start(unsafe-typecast)

import {AnchorRegistry} from "../src/AnchorRegistry.sol";
import {MiniTest} from "./MiniTest.sol";

/// @dev Anchors a few roots again and again in every way there is, and remembers the first time of each.
contract Anchorer is MiniTest {
    uint256 private constant ROOTS = 8;

    AnchorRegistry private immutable _REGISTRY;
    mapping(uint256 which => uint256) public firstTime;
    mapping(uint256 which => uint256) public firstBlock;

    constructor(AnchorRegistry registry) {
        _REGISTRY = registry;
    }

    function rootOf(uint256 which) public pure returns (bytes32) {
        return keccak256(abi.encode("root", which % ROOTS));
    }

    function _remember(uint256 which) private {
        if (firstTime[which % ROOTS] != 0) return;
        firstTime[which % ROOTS] = block.timestamp;
        firstBlock[which % ROOTS] = block.number;
    }

    function anchor(uint256 which) external {
        _REGISTRY.anchor(rootOf(which));
        _remember(which);
    }

    function anchorBare(uint256 which) external {
        (bool done,) = address(_REGISTRY).call(abi.encodePacked(rootOf(which)));
        vm.assertTrue(done);
        _remember(which);
    }

    function anchorMany(uint256 from, uint256 count) external {
        bytes32[] memory roots = new bytes32[](count % 20);
        for (uint256 i; i < roots.length; ++i) {
            roots[i] = rootOf(from % ROOTS + i);
        }
        _REGISTRY.anchorMany(roots);
        for (uint256 i; i < roots.length; ++i) {
            _remember(from % ROOTS + i);
        }
    }

    function mine(uint16 blocks) external {
        vm.warp(block.timestamp + uint256(blocks) * 12);
        vm.roll(block.number + blocks);
    }

    /// @dev Noise must neither anchor nor break anything.
    function callWithNoise(bytes calldata data) external {
        vm.assume(data.length != 32);
        vm.assume(data.length < 4 || bytes4(data) != AnchorRegistry.anchorMany.selector);
        vm.assume(data.length < 4 || bytes4(data) != AnchorRegistry.anchor.selector);
        (bool done,) = address(_REGISTRY).call(data);
        vm.assertTrue(!done || bytes4(data) == AnchorRegistry.anchoredAt.selector);
    }
}

contract AnchorRegistryInvariantTest is MiniTest {
    AnchorRegistry private _registry;
    Anchorer private _anchorer;

    function setUp() public {
        vm.warp(1_800_000_000);
        _registry = new AnchorRegistry();
        _anchorer = new Anchorer(_registry);
        targetContract(address(_anchorer));
    }

    function invariant_anchoredAt_isAlwaysTheFirst() public view {
        for (uint256 i; i < 8; ++i) {
            (uint64 time, uint64 number) = _registry.anchoredAt(_anchorer.rootOf(i));
            vm.assertEq(time, _anchorer.firstTime(i));
            vm.assertEq(number, _anchorer.firstBlock(i));
        }
    }
}
