// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// A cast that cut a value off would show as a failing test.
// forge-lint: disable-start(unsafe-typecast)

import {AnchorRegistry} from "../src/AnchorRegistry.sol";
import {IAnchorRegistry} from "../src/IAnchorRegistry.sol";
import {MiniTest} from "./MiniTest.sol";

contract AnchorRegistryTest is MiniTest {
    uint256 private constant NOW = 1_800_000_000;
    bytes32 private constant ROOT = keccak256("root");

    AnchorRegistry private _registry;

    function setUp() public {
        vm.warp(NOW);
        vm.roll(1000);
        _registry = new AnchorRegistry();
    }

    function _assertAnchored(bytes32 root, uint256 time, uint256 number) private view {
        (uint64 foundTime, uint64 foundNumber) = _registry.anchoredAt(root);
        vm.assertEq(foundTime, time);
        vm.assertEq(foundNumber, number);
    }

    function _roots(uint256 count) private pure returns (bytes32[] memory roots) {
        roots = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            roots[i] = keccak256(abi.encode(i));
        }
    }

    function test_anchoredAt_isZeroForWhatNobodyAnchored() public view {
        _assertAnchored(ROOT, 0, 0);
    }

    function test_anchor_recordsTimeAndBlock() public {
        vm.expectEmit();
        emit IAnchorRegistry.Anchored(ROOT);
        _registry.anchor(ROOT);

        _assertAnchored(ROOT, NOW, 1000);
    }

    function test_anchor_isOpenToAnyone() public {
        vm.prank(address(0xBEEF));
        _registry.anchor(ROOT);

        _assertAnchored(ROOT, NOW, 1000);
    }

    function test_anchor_repeatedKeepsTheFirst() public {
        _registry.anchor(ROOT);
        vm.warp(NOW + 1 days);
        vm.roll(2000);
        vm.recordLogs();
        vm.prank(address(0xBEEF));
        _registry.anchor(ROOT);

        assertNoEvent();
        _assertAnchored(ROOT, NOW, 1000);
    }

    function test_anchor_takesZeroLikeAnyRoot() public {
        _registry.anchor(0);

        _assertAnchored(0, NOW, 1000);
    }

    function test_anchorMany_recordsEach() public {
        bytes32[] memory roots = _roots(100);
        vm.recordLogs();
        _registry.anchorMany(roots);

        vm.assertEq(vm.getRecordedLogs().length, 100);
        for (uint256 i; i < roots.length; ++i) {
            _assertAnchored(roots[i], NOW, 1000);
        }
    }

    function test_anchorMany_ofNothingDoesNothing() public {
        vm.recordLogs();
        _registry.anchorMany(_roots(0));

        assertNoEvent();
    }

    /// @dev A stranger who anchors one of our roots first must not stop the others, or the batch is griefed.
    function test_anchorMany_survivesAStrangersHeadStart() public {
        bytes32[] memory roots = _roots(10);
        vm.prank(address(0xBAD));
        _registry.anchor(roots[4]);
        vm.warp(NOW + 60);
        vm.roll(1005);
        _registry.anchorMany(roots);

        _assertAnchored(roots[4], NOW, 1000);
        _assertAnchored(roots[5], NOW + 60, 1005);
    }

    function test_anchorMany_takesTheSameRootTwice() public {
        bytes32[] memory roots = new bytes32[](2);
        roots[0] = ROOT;
        roots[1] = ROOT;
        vm.recordLogs();
        _registry.anchorMany(roots);

        vm.assertEq(vm.getRecordedLogs().length, 1);
        _assertAnchored(ROOT, NOW, 1000);
    }

    function test_fallback_takesABareRoot() public {
        vm.expectEmit();
        emit IAnchorRegistry.Anchored(ROOT);
        (bool done, bytes memory answer) = address(_registry).call(abi.encodePacked(ROOT));

        vm.assertTrue(done);
        vm.assertEq(answer, "");
        _assertAnchored(ROOT, NOW, 1000);
    }

    function test_fallback_revertsWithUnknownCall() public {
        bytes[5] memory calls = [
            bytes(""),
            hex"01",
            abi.encodePacked(bytes31(uint248(7))),
            abi.encodePacked(ROOT, bytes1(0)),
            abi.encodePacked(ROOT, ROOT)
        ];
        for (uint256 i; i < calls.length; ++i) {
            (bool done, bytes memory answer) = address(_registry).call(calls[i]);

            vm.assertFalse(done);
            vm.assertEq(answer, abi.encodeWithSelector(IAnchorRegistry.UnknownCall.selector, calls[i]));
        }
    }

    /// @dev A bare root that begins with a selector is a call cut short; nothing is anchored by mistake.
    function test_fallback_refusesARootThatLooksLikeACall() public {
        bytes4[3] memory selectors = [
            IAnchorRegistry.anchor.selector,
            IAnchorRegistry.anchorMany.selector,
            IAnchorRegistry.anchoredAt.selector
        ];
        for (uint256 i; i < selectors.length; ++i) {
            bytes32 root = bytes32(selectors[i]) | bytes32(uint256(1));
            (bool done,) = address(_registry).call(abi.encodePacked(root));
            vm.assertFalse(done);
            _assertAnchored(root, 0, 0);

            _registry.anchor(root);
            _assertAnchored(root, NOW, 1000);
        }
    }

    function test_registry_refusesMoney() public {
        (bool done,) = payable(address(_registry)).call{value: 1}(abi.encodePacked(ROOT));

        vm.assertFalse(done);
    }

    /// @dev The verifier's view of storage: mapping slot 0, time in the low 64 bits, block number above it.
    function test_fuzz_storage_isOnePackedSlot(bytes32 root, uint64 time, uint64 number) public {
        time = uint64(bound(time, 1, type(uint64).max));
        vm.warp(time);
        vm.roll(number);
        _registry.anchor(root);

        bytes32 word = vm.load(address(_registry), keccak256(abi.encode(root, uint256(0))));
        vm.assertEq(uint256(word), uint256(time) | uint256(number) << 64);
    }

    function test_fuzz_anchor_keepsTheFirst(bytes32 root, uint32 later, bool bare) public {
        _registry.anchor(root);
        vm.warp(NOW + later);
        vm.roll(1000 + uint256(later));
        if (bare) {
            vm.assume(bytes4(root) != IAnchorRegistry.anchor.selector);
            vm.assume(bytes4(root) != IAnchorRegistry.anchorMany.selector);
            vm.assume(bytes4(root) != IAnchorRegistry.anchoredAt.selector);
            (bool done,) = address(_registry).call(abi.encodePacked(root));
            vm.assertTrue(done);
        } else {
            _registry.anchor(root);
        }

        _assertAnchored(root, NOW, 1000);
    }
}
