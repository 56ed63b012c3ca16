using System.Net;
using System.Net.Sockets;
using Kedge.Protocol;

namespace Kedge.Control.Listening;

/// <summary>An address and TCP port to listen on.</summary>
internal static class ListenAddress
{
    /// <summary>Tries an address, so that a person is told in a sentence which of several cannot be used, and why.</summary>
    /// <exception cref="UserError">Nobody can listen there.</exception>
    public static void Require(IPEndPoint address)
    {
        try
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(address);
        }
        catch (SocketException e)
        {
            throw Explain(address, e);
        }
    }

    /// <summary>What is wrong with an address, and what would be right.</summary>
    internal static UserError Explain(IPEndPoint address, SocketException failure) => new(
        failure.SocketErrorCode switch
        {
            SocketError.AddressNotAvailable =>
                $"{address.Address} is not an address of this machine: listen on one that is, or on all with --listen {AllOf(address)}; "
                + $"nodes are told another one by --url https://{address}.",
            SocketError.AddressAlreadyInUse =>
                $"The controller cannot listen on {address}: something else listens there. Name another address or port with --listen.",
            SocketError.AccessDenied =>
                $"The controller cannot listen on {address}: ports below 1024 need root. Name another port with --listen.",
            SocketError.AddressFamilyNotSupported =>
                $"The controller cannot listen on {address}: this machine has no addresses of this family. Name another address with --listen.",
            _ => $"The controller cannot listen on {address}: {failure.Message}. Name another address with --listen.",
        },
        failure);

    private static IPEndPoint AllOf(IPEndPoint address) =>
        new(address.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, address.Port);
}
