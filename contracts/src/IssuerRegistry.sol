// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IIssuerRegistry} from "./IIssuerRegistry.sol";

/// @title IssuerRegistry
/// @dev No immutables and no cached domain separator: the same code, at the same address, on every chain.
contract IssuerRegistry is IIssuerRegistry {
    bytes32 private constant ISSUER_TAG = keccak256("Perdure issuer v1");

    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant DOMAIN_NAME = keccak256("Perdure IssuerRegistry");
    bytes32 private constant DOMAIN_VERSION = keccak256("1");

    bytes32 private constant ADD_KEY =
        keccak256("AddKey(bytes32 id,bytes32 key,uint8 role,uint64 until,uint64 deadline)");
    bytes32 private constant END_KEY =
        keccak256("EndKey(bytes32 id,bytes32 key,uint64 until,uint64 deadline)");
    bytes32 private constant COMPROMISE_KEY =
        keccak256("CompromiseKey(bytes32 id,bytes32 key,uint64 since,uint64 deadline)");
    bytes32 private constant RECORD_PROFILE =
        keccak256("RecordProfile(bytes32 id,bytes32 profile,uint64 deadline)");
    bytes32 private constant ENDORSE =
        keccak256("Endorse(bytes32 accreditor,bytes32 subject,bytes32 profile,uint64 until,uint64 deadline)");
    bytes32 private constant WITHDRAW = keccak256(
        "Withdraw(bytes32 accreditor,bytes32 subject,bytes32 profile,uint64 since,uint64 deadline)"
    );
    bytes32 private constant REVOKE =
        keccak256("Revoke(bytes32 id,uint256 word,uint256 mask,uint64 recoveryActs,uint64 deadline)");
    bytes32 private constant ROTATE = keccak256(
        "Rotate(bytes32 id,address controller,bytes32 recovery,uint64 recoveryActs,uint64 deadline)"
    );
    bytes32 private constant CLOSE =
        keccak256("Close(bytes32 id,bytes32 successor,bytes32 statement,uint64 deadline)");
    bytes32 private constant REINSTATE =
        keccak256("Reinstate(bytes32 id,uint256 word,uint256 mask,uint64 recoveryActs,uint64 deadline)");

    // Slots 0 to 4 and the structs in them are frozen: verifiers read them through state proofs.
    mapping(bytes32 id => Issuer) private _issuers;
    mapping(bytes32 id => mapping(bytes32 key => Key)) private _keys;
    mapping(bytes32 id => mapping(uint256 word => uint256)) private _status;
    mapping(bytes32 id => mapping(bytes32 profile => uint40 time)) private _profiles;
    mapping(bytes32 accreditor => mapping(bytes32 subject => mapping(bytes32 profile => Endorsement))) private
        _endorsements;

    // ---------------------------------------------------------------- the record

    /// @inheritdoc IIssuerRegistry
    function register(address controller, bytes32 recovery, bytes32 profile, bytes32 salt)
        external
        returns (bytes32 id)
    {
        if (controller == address(0)) revert ZeroController();
        if (recovery == 0) revert ZeroRecovery();
        if (profile == 0) revert ZeroProfile();
        id = idOf(controller, recovery, profile, salt);
        Issuer storage record = _issuers[id];
        if (record.registeredAt != 0) return id;
        record.controller = controller;
        record.registeredAt = _now();
        record.recovery = recovery;
        record.profile = profile;
        _profiles[id][profile] = _now();
        emit Registered(id, controller, recovery, profile);
    }

    // ---------------------------------------------------------------- acts of the controller

    /// @inheritdoc IIssuerRegistry
    function addKey(
        bytes32 id,
        bytes32 keyId,
        KeyRole role,
        uint64 until,
        uint64 deadline,
        bytes calldata signature
    ) external {
        bytes32 request = keccak256(abi.encode(ADD_KEY, id, keyId, role, until, deadline));
        _authorise(_open(id).controller, request, deadline, signature);
        Key storage window = _keys[id][keyId];
        if (window.from != 0) return;
        if (!_fits(keyId, role)) revert InvalidKey(keyId, role);
        if (until != 0 && until <= block.timestamp) revert InvalidTime(until);
        _keys[id][keyId] = Key(_now(), _time(until), 0, role);
        emit KeyAdded(id, keyId, role, window.until);
    }

    /// @inheritdoc IIssuerRegistry
    function endKey(bytes32 id, bytes32 keyId, uint64 until, uint64 deadline, bytes calldata signature)
        external
    {
        bytes32 request = keccak256(abi.encode(END_KEY, id, keyId, until, deadline));
        _authorise(_open(id).controller, request, deadline, signature);
        Key storage window = _key(id, keyId);
        uint40 end = until < block.timestamp ? _now() : _time(until);
        if (window.until != 0 && window.until <= end) return;
        window.until = end;
        emit KeyEnded(id, keyId, end);
    }

    /// @inheritdoc IIssuerRegistry
    function recordProfile(bytes32 id, bytes32 profile, uint64 deadline, bytes calldata signature) external {
        Issuer storage record = _open(id);
        bytes32 request = keccak256(abi.encode(RECORD_PROFILE, id, profile, deadline));
        _authorise(record.controller, request, deadline, signature);
        if (profile == 0) revert ZeroProfile();
        if (_profiles[id][profile] != 0) return;
        _profiles[id][profile] = _now();
        record.profile = profile;
        emit ProfileRecorded(id, profile);
    }

    /// @inheritdoc IIssuerRegistry
    function endorse(
        bytes32 accreditor,
        bytes32 subject,
        bytes32 profile,
        uint64 until,
        uint64 deadline,
        bytes calldata signature
    ) external {
        bytes32 request = keccak256(abi.encode(ENDORSE, accreditor, subject, profile, until, deadline));
        _authorise(_open(accreditor).controller, request, deadline, signature);
        Endorsement storage given = _endorsements[accreditor][subject][profile];
        if (given.withdrawnSince != 0) revert EndorsementIsWithdrawn(accreditor, subject, profile);
        if (given.from == 0) {
            if (_profiles[subject][profile] == 0) revert UnknownProfile(subject, profile);
            if (until != 0 && until <= block.timestamp) revert InvalidTime(until);
            given.from = _now();
        } else if (given.until == 0 || (until != 0 && until <= given.until)) {
            return;
        }
        given.until = _time(until);
        emit Endorsed(accreditor, subject, profile, given.until);
    }

    // ---------------------------------------------------------------- acts that only the recovery key dates back

    /// @inheritdoc IIssuerRegistry
    function withdraw(
        bytes32 accreditor,
        bytes32 subject,
        bytes32 profile,
        uint64 since,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external {
        bytes32 request = keccak256(abi.encode(WITHDRAW, accreditor, subject, profile, since, deadline));
        _authorise(signer, request, deadline, signature);
        bool byRecovery = _byRecovery(_open(accreditor), accreditor, signer);
        if (!byRecovery && since < block.timestamp) revert WithdrawalInThePast(since);
        Endorsement storage given = _endorsements[accreditor][subject][profile];
        if (given.from == 0) revert UnknownEndorsement(accreditor, subject, profile);
        if (since == 0) revert InvalidTime(since);
        // Nobody knows at signing when the request will be carried: what lies ahead by then is "now".
        uint40 start = since < block.timestamp ? _time(since) : _now();
        if (start < given.from) start = given.from;
        if (given.withdrawnSince != 0 && given.withdrawnSince <= start) return;
        given.withdrawnSince = start;
        emit EndorsementWithdrawn(accreditor, subject, profile, start);
    }

    /// @inheritdoc IIssuerRegistry
    function compromiseKey(
        bytes32 id,
        bytes32 keyId,
        uint64 since,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external {
        bytes32 request = keccak256(abi.encode(COMPROMISE_KEY, id, keyId, since, deadline));
        _authorise(signer, request, deadline, signature);
        bool byRecovery = _byRecovery(_issuers[_heir(id)], id, signer);
        if (!byRecovery && since < block.timestamp) revert CompromiseInThePast(since);
        Key storage window = _key(id, keyId);
        if (since == 0) revert InvalidTime(since);
        if (window.compromisedSince != 0 && window.compromisedSince <= since) return;
        window.compromisedSince = _time(since);
        emit KeyCompromised(id, keyId, window.compromisedSince);
    }

    // ---------------------------------------------------------------- status bits

    /// @inheritdoc IIssuerRegistry
    function revoke(bytes32 id, uint256 word, uint256 mask) external {
        _revoke(id, word, mask, msg.sender);
    }

    /// @inheritdoc IIssuerRegistry
    function revoke(
        bytes32 id,
        uint256 word,
        uint256 mask,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external {
        // recoveryActs: what was signed before a reinstatement cannot be carried after it.
        uint64 acts = _issuers[id].recoveryActs;
        _authorise(signer, keccak256(abi.encode(REVOKE, id, word, mask, acts, deadline)), deadline, signature);
        _revoke(id, word, mask, signer);
    }

    // ---------------------------------------------------------------- acts of the recovery key

    /// @inheritdoc IIssuerRegistry
    function rotate(
        bytes32 id,
        address controller,
        bytes32 recovery,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external {
        Issuer storage record = _recoverable(id, signer);
        bytes32 request =
            keccak256(abi.encode(ROTATE, id, controller, recovery, record.recoveryActs, deadline));
        _authorise(signer, request, deadline, signature);
        if (controller == address(0)) revert ZeroController();
        if (recovery == 0) revert ZeroRecovery();
        record.controller = controller;
        record.recovery = recovery;
        ++record.recoveryActs;
        emit Rotated(id, controller, recovery);
    }

    /// @inheritdoc IIssuerRegistry
    function close(
        bytes32 id,
        bytes32 successor,
        bytes32 statement,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external {
        Issuer storage record = _recoverable(id, signer);
        bytes32 request = keccak256(abi.encode(CLOSE, id, successor, statement, deadline));
        _authorise(signer, request, deadline, signature);
        if (successor == id) revert OwnSuccessor(id);
        if (successor != 0) _open(successor);
        record.closedAt = _now();
        record.closedForGood = successor == 0;
        record.successor = successor;
        record.statement = statement;
        emit Closed(id, successor, statement);
    }

    /// @inheritdoc IIssuerRegistry
    function reinstate(
        bytes32 id,
        uint256 word,
        uint256 mask,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external {
        Issuer storage record = _recoverable(id, signer);
        bytes32 request = keccak256(abi.encode(REINSTATE, id, word, mask, record.recoveryActs, deadline));
        _authorise(signer, request, deadline, signature);
        uint256 bits = _status[id][word];
        _status[id][word] = bits & ~mask;
        ++record.recoveryActs;
        emit Reinstated(id, word, bits & mask);
    }

    // ---------------------------------------------------------------- reading

    /// @inheritdoc IIssuerRegistry
    function idOf(address controller, bytes32 recovery, bytes32 profile, bytes32 salt)
        public
        view
        returns (bytes32 id)
    {
        // The chain id gives every record one home: nobody can pick the copy that suits him.
        return keccak256(abi.encode(ISSUER_TAG, block.chainid, controller, recovery, profile, salt));
    }

    /// @inheritdoc IIssuerRegistry
    function check(bytes32 id, bytes32 keyId, uint256 statusIndex)
        external
        view
        returns (Check memory answer)
    {
        Issuer storage record = _issuers[id];
        Key storage window = _keys[id][keyId];
        answer.registeredAt = record.registeredAt;
        answer.closedAt = record.closedAt;
        answer.closedForGood = record.closedForGood;
        answer.successor = record.successor;
        answer.profile = record.profile;
        answer.from = window.from;
        answer.until = window.until;
        answer.compromisedSince = window.compromisedSince;
        answer.role = window.role;
        answer.revoked = (_status[id][statusIndex >> 8] >> (statusIndex & 255)) & 1 == 1;
    }

    /// @inheritdoc IIssuerRegistry
    function issuer(bytes32 id) external view returns (Issuer memory record) {
        return _issuers[id];
    }

    /// @inheritdoc IIssuerRegistry
    function key(bytes32 id, bytes32 keyId) external view returns (Key memory window) {
        return _keys[id][keyId];
    }

    /// @inheritdoc IIssuerRegistry
    function statusWord(bytes32 id, uint256 word) external view returns (uint256 bits) {
        return _status[id][word];
    }

    /// @inheritdoc IIssuerRegistry
    function profileRecordedAt(bytes32 id, bytes32 profile) external view returns (uint40 time) {
        return _profiles[id][profile];
    }

    /// @inheritdoc IIssuerRegistry
    function endorsement(bytes32 accreditor, bytes32 subject, bytes32 profile)
        external
        view
        returns (Endorsement memory given)
    {
        return _endorsements[accreditor][subject][profile];
    }

    /// @inheritdoc IIssuerRegistry
    function domainSeparator() public view returns (bytes32 separator) {
        return keccak256(abi.encode(DOMAIN_TYPE, DOMAIN_NAME, DOMAIN_VERSION, block.chainid, address(this)));
    }

    // ---------------------------------------------------------------- who may

    /// @dev Passes if `signer` calls, or signed this request for this chain and contract, before the deadline.
    function _authorise(address signer, bytes32 request, uint64 deadline, bytes calldata signature)
        private
        view
    {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        if (signature.length == 0) {
            if (msg.sender != signer) revert CallerNotSigner(msg.sender, signer);
            return;
        }
        bytes32 digest = MessageHashUtils.toTypedDataHash(domainSeparator(), request);
        // ECDSA first: an account that delegated its code (EIP-7702) has code and still signs as before.
        // slither-disable-next-line unused-return
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        // slither-disable-next-line incorrect-equality
        if (failure == ECDSA.RecoverError.NoError && recovered == signer) return;
        if (!SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature)) {
            revert WrongSignature(signer);
        }
    }

    function _open(bytes32 id) private view returns (Issuer storage record) {
        record = _registered(id);
        if (record.closedAt != 0) revert IssuerClosed(id);
    }

    function _registered(bytes32 id) private view returns (Issuer storage record) {
        record = _issuers[id];
        if (record.registeredAt == 0) revert UnknownIssuer(id);
    }

    /// @dev The open record that `signer` holds the committed recovery key of.
    function _recoverable(bytes32 id, address signer) private view returns (Issuer storage record) {
        record = _open(id);
        if (record.recovery != _commitment(signer)) revert SignerNotEntitled(id, signer);
    }

    /// @dev Whether `signer` speaks for `id` with the recovery key of `authority`, or else with its controller.
    /// The second must not date back: its thief could void what was said before the theft.
    function _byRecovery(Issuer storage authority, bytes32 id, address signer) private view returns (bool) {
        if (authority.recovery == _commitment(signer)) return true;
        if (authority.controller != signer) revert SignerNotEntitled(id, signer);
        return false;
    }

    /// @dev The issuer whose keys speak for `id`: itself while open, then its successor while that is open.
    function _heir(bytes32 id) private view returns (bytes32 heir) {
        Issuer storage record = _registered(id);
        if (record.closedAt == 0) return id;
        if (record.closedForGood) revert IssuerClosed(id);
        heir = record.successor;
        _open(heir);
    }

    function _commitment(address recoveryKey) private pure returns (bytes32) {
        return keccak256(abi.encode(recoveryKey));
    }

    // ---------------------------------------------------------------- rules

    function _revoke(bytes32 id, uint256 word, uint256 mask, address signer) private {
        if (!_mayRevoke(_heir(id), signer)) revert SignerNotEntitled(id, signer);
        uint256 bits = _status[id][word];
        uint256 added = mask & ~bits;
        if (added == 0) return;
        _status[id][word] = bits | added;
        emit Revoked(id, word, added, signer);
    }

    function _mayRevoke(bytes32 id, address signer) private view returns (bool) {
        Key memory window = _keys[id][bytes32(uint256(uint160(signer)))];
        return window.role == KeyRole.Revoking && (window.until == 0 || block.timestamp < window.until)
            && (window.compromisedSince == 0 || block.timestamp < window.compromisedSince);
    }

    function _key(bytes32 id, bytes32 keyId) private view returns (Key storage window) {
        window = _keys[id][keyId];
        if (window.from == 0) revert UnknownKey(id, keyId);
    }

    /// @dev A revoking key is an address; a signing key is a hash, which never looks like one.
    function _fits(bytes32 keyId, KeyRole role) private pure returns (bool) {
        bool isAddress = uint256(keyId) >> 160 == 0;
        return keyId != 0 && (role == KeyRole.Revoking ? isAddress : role == KeyRole.Signing && !isAddress);
    }

    function _time(uint64 time) private pure returns (uint40) {
        if (time > type(uint40).max) revert InvalidTime(time);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint40(time);
    }

    function _now() private view returns (uint40) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint40(block.timestamp); // enough until the year 36812
    }
}
